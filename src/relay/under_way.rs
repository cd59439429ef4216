//! The bytes of answers that are on their way to viewers: what a relay holds for whoever reads slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Shorter bodies are not counted: the number of viewers bounds them.
const SMALL: usize = 1024;

/// How many bytes are under way, and the most that may be.
#[derive(Debug)]
pub(crate) struct UnderWay {
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    /// By where they are: one body that goes to many viewers is held once.
    bodies: HashMap<usize, Held>,
}

#[derive(Debug)]
struct Held {
    viewers: usize,
    /// Of the longest part that begins there.
    size: usize,
}

/// A body that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    under_way: Arc<UnderWay>,
    /// As long as it is held, nothing else is where it is.
    body: Bytes,
}

impl UnderWay {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// Lets a body on its way; `None` is one too small to count.
    ///
    /// # Errors
    /// Too much is on its way already, and this would be more.
    pub(crate) fn enter(self: &Arc<Self>, body: &Bytes) -> Result<Option<Load>, Full> {
        if body.len() < SMALL {
            return Ok(None);
        }
        let mut state = self.state();
        let place = body.as_ptr() as usize;
        let more = body.len().saturating_sub(state.bodies.get(&place).map_or(0, |held| held.size)) as u64;
        // A single body may be longer than all may be.
        if more > 0 && state.bytes > 0 && state.bytes.saturating_add(more) > self.most {
            return Err(Full);
        }
        state.bytes += more;
        let held = state.bodies.entry(place).or_insert(Held { viewers: 0, size: 0 });
        held.viewers += 1;
        held.size = held.size.max(body.len());
        drop(state);
        Ok(Some(Load { under_way: self.clone(), body: body.clone() }))
    }

    /// How many bytes are under way.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock, and its data is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Too much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Drop for Load {
    fn drop(&mut self) {
        let mut state = self.under_way.state();
        let place = self.body.as_ptr() as usize;
        let Some(held) = state.bodies.get_mut(&place) else { return };
        held.viewers -= 1;
        if held.viewers == 0 {
            let size = held.size as u64;
            state.bodies.remove(&place);
            state.bytes = state.bytes.saturating_sub(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_once_however_many_read_it_and_until_the_last_has() {
        let under_way = UnderWay::new(5_000);
        let body = Bytes::from(vec![0; 3_000]);
        let loads: Vec<_> = (0..9).map(|_| under_way.enter(&body).expect("room").expect("it counts")).collect();
        assert_eq!(under_way.bytes(), 3_000);
        let other = Bytes::from(vec![0; 2_500]);
        assert_eq!(under_way.enter(&other).err(), Some(Full));
        assert!(under_way.enter(&Bytes::from(vec![0; 2_000])).is_ok());
        assert!(under_way.enter(&Bytes::from_static(b"small")).expect("room").is_none());
        drop(loads);
        assert_eq!(under_way.bytes(), 0);
        assert!(under_way.enter(&other).is_ok());
    }

    #[test]
    fn a_body_longer_than_all_may_be_goes_where_it_is_alone() {
        let under_way = UnderWay::new(1_000);
        let load = under_way.enter(&Bytes::from(vec![0; 3_000])).expect("room");
        assert!(under_way.enter(&Bytes::from(vec![0; 1_024])).is_err());
        drop(load);
        assert_eq!(under_way.bytes(), 0);
    }
}
