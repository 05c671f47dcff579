//! The terminal of a watch that has a live view.

use anyhow::Result;

use super::Watch;
use crate::system::terminal::{Input, Screen};

impl Watch {
    /// Gives the terminal to the live view, if there is one.
    ///
    /// # Errors
    ///
    /// When the terminal or its signals refuse.
    pub fn enter_screen(&mut self) -> Result<()> {
        self.screen = self.reporter.is_live().then(Screen::enter).transpose()?;
        Ok(())
    }

    /// Gives the terminal back.
    pub fn leave_screen(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.leave();
        }
    }

    /// Lets the live view follow its terminal. Tells whether the watch is to end.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub(super) fn follow_screen(&mut self) -> Result<bool> {
        let Some(Input { is_changed, typed }) = self.screen.as_mut().map(Screen::input) else {
            return Ok(false);
        };
        if is_changed {
            self.reporter.typed(&[])?;
        }
        Ok(!typed.is_empty() && self.reporter.typed(&typed)?)
    }

    /// Whether a live view has its terminal: it is not drawn where nobody sees it, or on what is
    /// not its own any more.
    pub(super) fn is_seen(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::is_entered)
    }
}
