//! The bytes of answers that are on their way to viewers: what a relay holds for whoever reads slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::limits::Digest;
use crate::lock::lock;

/// One viewer holds at most this part of what all may.
const SHARE: u64 = 4;
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
    /// What each token holds.
    owners: HashMap<Digest, u64>,
}

#[derive(Debug, Default)]
struct Held {
    viewers: usize,
    /// Of the longest part that begins there.
    size: usize,
    /// Whose viewers these are: how many, and for how many bytes each token counts.
    owners: HashMap<Digest, (usize, u64)>,
}

/// A body that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    under_way: Arc<UnderWay>,
    /// As long as it is held, nothing else is where it is.
    body: Bytes,
    owner: Option<Digest>,
}

impl UnderWay {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// Lets a body on its way to a token's viewer; `None` is one too small to count.
    ///
    /// # Errors
    /// Too much is on its way already, in all or to that token, and this would be more.
    pub(crate) fn enter(self: &Arc<Self>, body: &Bytes, owner: Option<Digest>) -> Result<Option<Load>, Full> {
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
        let State { bytes, bodies, owners } = &mut *state;
        if let Some(owner) = owner {
            let counted = bodies.get(&place).and_then(|held| held.owners.get(&owner)).map_or(0, |(_, size)| *size);
            let (more, has) = ((body.len() as u64).saturating_sub(counted), owners.get(&owner).copied().unwrap_or(0));
            if more > 0 && has > 0 && has.saturating_add(more) > self.most / SHARE {
                return Err(Full);
            }
            *owners.entry(owner).or_default() += more;
        }
        *bytes += more;
        let held = bodies.entry(place).or_default();
        held.viewers += 1;
        held.size = held.size.max(body.len());
        if let Some(owner) = owner {
            let (viewers, size) = held.owners.entry(owner).or_default();
            (*viewers, *size) = (*viewers + 1, (*size).max(body.len() as u64));
        }
        drop(state);
        Ok(Some(Load { under_way: self.clone(), body: body.clone(), owner }))
    }

    /// How many bytes are under way.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Too much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Drop for Load {
    fn drop(&mut self) {
        let mut state = self.under_way.state();
        let State { bytes, bodies, owners } = &mut *state;
        let place = self.body.as_ptr() as usize;
        let Some(held) = bodies.get_mut(&place) else { return };
        if let Some(owner) = &self.owner {
            held.let_go(owner, owners);
        }
        held.viewers -= 1;
        if held.viewers == 0 {
            *bytes = bytes.saturating_sub(held.size as u64);
            bodies.remove(&place);
        }
    }
}

impl Held {
    /// One viewer of a token less.
    fn let_go(&mut self, owner: &Digest, owners: &mut HashMap<Digest, u64>) {
        let Some((viewers, size)) = self.owners.get_mut(owner) else { return };
        *viewers -= 1;
        if *viewers > 0 {
            return;
        }
        let size = *size;
        self.owners.remove(owner);
        if let Some(all) = owners.get_mut(owner) {
            *all = all.saturating_sub(size);
            if *all == 0 {
                owners.remove(owner);
            }
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
        let loads: Vec<_> = (0..9).map(|_| under_way.enter(&body, None).expect("room").expect("it counts")).collect();
        assert_eq!(under_way.bytes(), 3_000);
        let other = Bytes::from(vec![0; 2_500]);
        assert_eq!(under_way.enter(&other, None).err(), Some(Full));
        assert!(under_way.enter(&Bytes::from(vec![0; 2_000]), None).is_ok());
        assert!(under_way.enter(&Bytes::from_static(b"small"), None).expect("room").is_none());
        drop(loads);
        assert_eq!(under_way.bytes(), 0);
        assert!(under_way.enter(&other, None).is_ok());
    }

    #[test]
    fn a_body_longer_than_all_may_be_goes_where_it_is_alone() {
        let under_way = UnderWay::new(1_000);
        let load = under_way.enter(&Bytes::from(vec![0; 3_000]), None).expect("room");
        assert!(under_way.enter(&Bytes::from(vec![0; 1_024]), None).is_err());
        drop(load);
        assert_eq!(under_way.bytes(), 0);
    }

    #[test]
    fn one_viewer_that_reads_nothing_leaves_room_for_the_others() {
        let under_way = UnderWay::new(20_000);
        let bodies: Vec<_> = (0..4).map(|_| Bytes::from(vec![0; 2_000])).collect();
        let [eager, other] = [Some([1; 32]), Some([2; 32])];
        let mut loads: Vec<_> = bodies[..2].iter().map(|body| under_way.enter(body, eager).expect("room")).collect();
        // The same once more is held once; another is too much, for this one alone.
        loads.push(under_way.enter(&bodies[0], eager).expect("room"));
        assert_eq!(under_way.enter(&bodies[2], eager).err(), Some(Full));
        loads.push(under_way.enter(&bodies[2], other).expect("room"));
        loads.push(under_way.enter(&bodies[0], other).expect("room"));
        assert_eq!(under_way.bytes(), 6_000);
        // One body may be longer than the share of whoever holds nothing else.
        loads.push(under_way.enter(&Bytes::from(vec![0; 9_000]), Some([3; 32])).expect("room"));
        loads.remove(1);
        loads.push(under_way.enter(&bodies[3], eager).expect("room again"));
        drop(loads);
        let state = under_way.state();
        assert!(state.bytes == 0 && state.bodies.is_empty() && state.owners.is_empty());
    }
}
