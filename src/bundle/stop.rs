//! A way to end the writing of a bundle from outside, so that nothing is left of it.

use super::write_error::WriteError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Ends the writing of a bundle from another thread: either the bundle is published, or it was stopped, never both.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    const STOPPED: u8 = 1;
    const PUBLISHED: u8 = 2;

    /// Stops, unless the bundle is published. Answers whether it is not, and will not be.
    pub fn stop(&self) -> bool {
        self.settle(Self::STOPPED)
    }

    /// Errors once somebody has stopped it.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        if self.0.load(Ordering::Acquire) == Self::STOPPED { Err(WriteError::Stopped) } else { Ok(()) }
    }

    /// From here on it is too late to stop.
    pub(crate) fn commit(&self) -> Result<(), WriteError> {
        if self.settle(Self::PUBLISHED) { Ok(()) } else { Err(WriteError::Stopped) }
    }

    fn settle(&self, state: u8) -> bool {
        self.0.compare_exchange(0, state, Ordering::AcqRel, Ordering::Acquire).map_or_else(|now| now == state, |_| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_decides() {
        let early = Stop::default();
        assert!(early.check().is_ok() && early.clone().stop() && early.stop());
        assert!(matches!((early.check(), early.commit()), (Err(WriteError::Stopped), Err(WriteError::Stopped))));
        let late = Stop::default();
        assert!(late.commit().is_ok() && !late.stop() && late.check().is_ok());
    }
}
