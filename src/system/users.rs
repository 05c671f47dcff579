//! User names, asked of the system by a thread of its own: the answer may come from a directory
//! service, and take any time.

use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};

use super::remembered::Remembered;

/// Bytes in each of the two generations of names: thousands fit.
const ROOM: usize = 256 * 1024;

/// How many questions may wait for an answer.
const MAY_WAIT: usize = 256;

/// How long a read may wait for answers in all. A file answers in less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(10);

/// The same for the read with the first question, which starts the thread and loads what it
/// takes to ask: on an emulated CPU, more than 10 ms.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);

/// After this time, a user without a name is asked for again: the service may have been down.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The names of user ids. A name that changes while the program runs is not noticed.
#[derive(Debug)]
pub struct Users {
    names: Remembered<u32>,
    nameless: Remembered<u32>,
    nameless_since: Instant,
    service: Option<Service>,
    waiting: HashSet<u32>,
    /// How long this read may still wait.
    patience: Duration,
}

impl Users {
    /// The name of a user id. `None` where the system knows none, or has not answered yet.
    pub fn name(&mut self, uid: u32) -> Option<Rc<str>> {
        if !self.waiting.is_empty() {
            self.take_in_answers();
        }
        self.names.get(uid).unwrap_or_else(|| self.new_name(uid))
    }

    fn new_name(&mut self, uid: u32) -> Option<Rc<str>> {
        if !self.is_nameless(uid) && self.ask(uid).is_err() {
            self.nameless.insert(uid, None); // no room for a thread now
        }
        self.names.get(uid).flatten()
    }

    /// A read has ended: the next one has all its patience again.
    pub fn renew(&mut self) {
        if self.service.is_some() {
            self.patience = PATIENCE;
        }
    }

    fn is_nameless(&mut self, uid: u32) -> bool {
        if self.nameless_since.elapsed() > ASK_AGAIN {
            self.nameless.clear();
            self.nameless_since = Instant::now();
        }
        self.nameless.get(uid).is_some()
    }

    /// Asks, and waits for the answer, unless an older question is still without one.
    fn ask(&mut self, uid: u32) -> io::Result<()> {
        if self.waiting.len() >= MAY_WAIT || self.waiting.contains(&uid) {
            return Ok(());
        }
        let service = match self.service.take() {
            Some(service) => service,
            None => Service::start(ask_system)?,
        };
        let is_only = self.waiting.is_empty();
        if service.questions.send(uid).is_ok() {
            self.waiting.insert(uid);
        }
        if is_only {
            let begun = Instant::now();
            if let Ok(answer) = service.answers.recv_timeout(self.patience) {
                self.take_in(answer);
            }
            self.patience = self.patience.saturating_sub(begun.elapsed());
        }
        self.service = Some(service);
        Ok(())
    }

    fn take_in_answers(&mut self) {
        let Some(service) = self.service.take() else { return };
        service.answers.try_iter().for_each(|answer| self.take_in(answer));
        self.service = Some(service);
    }

    fn take_in(&mut self, (uid, name): Answer) {
        self.waiting.remove(&uid);
        match name {
            Some(name) => self.names.insert(uid, Some(name.into())),
            None => self.nameless.insert(uid, None),
        }
    }
}

impl Default for Users {
    fn default() -> Self {
        Self {
            names: Remembered::within(ROOM),
            nameless: Remembered::within(ROOM),
            nameless_since: Instant::now(),
            service: None,
            waiting: HashSet::new(),
            patience: FIRST_PATIENCE,
        }
    }
}

type Answer = (u32, Option<String>);

/// The thread that asks. It ends with [`Users`], or with the program while it still waits.
#[derive(Debug)]
struct Service {
    questions: Sender<u32>,
    answers: Receiver<Answer>,
}

impl Service {
    /// To be called after privileges are given up: a thread has its own.
    fn start(look_up: impl Fn(u32) -> Option<String> + Send + 'static) -> io::Result<Self> {
        let (questions, asked) = channel();
        let (answer, answers) = channel();
        thread::Builder::new().name("users".into()).spawn(move || {
            for uid in asked {
                if answer.send((uid, look_up(uid))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }
}

/// Nothing, too, where the system can't tell. The two can't be told apart: where several services
/// are asked, "no such user" is the answer if one of them is down.
fn ask_system(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests;
