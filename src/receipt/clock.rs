//! How long each stage took.

use crate::event::{Event, Observer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hands every event on, and keeps the times at which stages began.
pub struct Clock {
    next: Arc<dyn Observer>,
    began: Mutex<Vec<(&'static str, Instant)>>,
}

impl Clock {
    /// A clock in front of a listener.
    pub fn before(next: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self { next, began: Mutex::default() })
    }

    /// The stages so far, in order; the last goes on until now.
    pub fn stages(&self) -> Vec<(&'static str, Duration)> {
        let began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = began.iter().skip(1).map(|(_, at)| *at).chain([Instant::now()]);
        began.iter().zip(ends).map(|((stage, from), to)| (*stage, to.duration_since(*from))).collect()
    }
}

impl Observer for Clock {
    fn event(&self, event: &Event) {
        if let Event::Stage(stage) = event {
            self.began.lock().unwrap_or_else(PoisonError::into_inner).push((stage, Instant::now()));
        }
        self.next.event(event);
    }
}
