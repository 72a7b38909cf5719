//! How slow a peer may be.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// How slow a transfer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Longest time without a byte.
    pub silence: Duration,
    /// Over which the rate is measured.
    pub window: Duration,
    /// Bytes that must arrive within a window.
    pub minimum: u64,
}

/// A peer is slower than the [`Pace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slow;

/// Watches that a [`Pace`] is kept.
pub(super) struct Watch {
    pace: Pace,
    alarm: Pin<Box<Sleep>>,
    window_ends: Instant,
    in_window: u64,
}

impl Watch {
    pub(super) fn new(pace: Pace) -> Self {
        let window_ends = Instant::now() + pace.window;
        Self { pace, alarm: Box::pin(sleep(pace.silence)), window_ends, in_window: 0 }
    }

    /// Takes note of what came of an attempt to receive, and wakes the task when the time is up.
    pub(super) fn check(&mut self, cx: &mut Context<'_>, received: &Poll<io::Result<usize>>) -> Result<(), Slow> {
        if let Poll::Ready(result) = received {
            let now = Instant::now();
            self.in_window += result.as_ref().map_or(0, |count| *count as u64);
            if now >= self.window_ends {
                if self.in_window < self.pace.minimum {
                    return Err(Slow);
                }
                (self.window_ends, self.in_window) = (now + self.pace.window, 0);
            }
            self.alarm.as_mut().reset(now + self.pace.silence);
            return Ok(());
        }
        if self.alarm.as_mut().poll(cx).is_ready() { Err(Slow) } else { Ok(()) }
    }
}
