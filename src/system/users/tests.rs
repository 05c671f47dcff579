use super::*;

/// Users whose service answers with what it is sent, and when.
fn slow() -> (Users, Sender<Option<String>>) {
    let (allow, allowed) = channel();
    let service = Service::start(move |_| allowed.recv().ok().flatten());
    (Users { service: service.ok(), ..Users::default() }, allow)
}

/// The name, once there is one.
fn name_in_the_end(users: &mut Users, uid: u32) -> Rc<str> {
    loop {
        users.renew();
        if let Some(name) = users.name(uid) {
            return name;
        }
        thread::yield_now();
    }
}

#[test]
fn root_has_a_name_and_an_unused_id_has_none() {
    // The machine may be busy.
    let mut users = Users { patience: Duration::from_secs(60), ..Users::default() };
    assert_eq!(users.name(0).as_deref(), Some("root"));
    assert_eq!(users.name(0).as_deref(), Some("root"));
    assert_eq!(users.name(4_000_000_000), None);
    assert!(users.waiting.is_empty(), "both are answered");
}

#[test]
fn a_slow_answer_comes_later_and_costs_a_read_no_more_than_its_patience() {
    let (mut users, allow) = slow();
    assert_eq!(users.name(7), None);
    assert_eq!(users.patience, Duration::ZERO);
    users.renew();
    // Not again for the same one, nor for others, as long as it waits.
    for uid in [7, 8, 7, 9] {
        assert_eq!(users.name(uid), None);
    }
    assert_eq!((users.patience, users.waiting.len()), (PATIENCE, 3));

    for name in ["seven", "eight", "nine"] {
        allow.send(Some(name.into())).expect("it listens");
    }
    for (uid, name) in [(9, "nine"), (7, "seven"), (8, "eight")] {
        assert_eq!(&*name_in_the_end(&mut users, uid), name);
    }
    assert!(users.waiting.is_empty());
}

#[test]
fn questions_without_an_answer_are_bounded() {
    let (mut users, _allow) = slow();
    for uid in 0..100_000 {
        assert_eq!(users.name(uid), None);
    }
    assert_eq!(users.waiting.len(), MAY_WAIT);
}

#[test]
fn a_user_without_a_name_is_asked_for_again_later_and_not_before() {
    let (mut users, allow) = slow();
    users.patience = Duration::from_secs(60);
    allow.send(None).expect("it listens");
    assert_eq!(users.name(7), None);
    users.nameless_since = Instant::now(); // also if that took long
    assert_eq!(users.name(7), None);
    assert!(users.waiting.is_empty(), "not asked for again");

    users.nameless_since = Instant::now().checked_sub(2 * ASK_AGAIN).expect("it runs for longer");
    allow.send(Some("seven".into())).expect("it listens");
    assert_eq!(&*name_in_the_end(&mut users, 7), "seven");
}
