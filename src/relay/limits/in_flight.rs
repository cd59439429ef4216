//! The bytes of answers that viewers have not read yet, and of places that were not compared yet (`limits.bytesUnderWay`):
//! the memory that slow readers and long requests cost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use crate::lock::lock;
use crate::relay::digest::Digest;

/// One token may hold this part of all bytes in flight: a quarter.
const OWNER_SHARE: u64 = 4;
/// Bodies below this size, in bytes, are not counted: the number of viewers bounds them.
const MIN_COUNTED: usize = 1024;

/// The bytes in flight, and how many may be.
#[derive(Debug)]
pub(crate) struct InFlightBytes {
    max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    /// By address: a body that goes to many viewers is in memory once, and counts once.
    bodies: HashMap<usize, BodyEntry>,
    /// The bytes that each token holds.
    owners: HashMap<Digest, u64>,
}

#[derive(Debug, Default)]
struct BodyEntry {
    viewers: usize,
    /// The length of the longest slice that begins at the address.
    size: usize,
    /// The viewers of each token, and the bytes that count for it.
    owners: HashMap<Digest, (usize, u64)>,
}

/// A body in flight. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlightBody {
    in_flight: Arc<InFlightBytes>,
    /// Held so that no other body gets its address.
    body: Bytes,
    owner: Option<Digest>,
}

/// Bytes that one viewer costs, whatever others do. They count until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    in_flight: Arc<InFlightBytes>,
    size: u64,
    owner: Option<Digest>,
}

impl InFlightBytes {
    /// A budget of `max` bytes.
    pub(crate) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default() })
    }

    /// Counts a body that goes to a viewer of `owner`; `None` for one that is too small to count.
    ///
    /// # Errors
    /// The body would exceed the budget, in all or of `owner`.
    pub(crate) fn enter(
        self: &Arc<Self>,
        body: &Bytes,
        owner: Option<Digest>,
    ) -> Result<Option<InFlightBody>, BudgetExceeded> {
        if body.len() < MIN_COUNTED {
            return Ok(None);
        }
        let mut state = self.state();
        let address = body.as_ptr() as usize;
        let more = body.len().saturating_sub(state.bodies.get(&address).map_or(0, |held| held.size)) as u64;
        let of_owner = |owner| {
            let counted =
                state.bodies.get(&address).and_then(|held| held.owners.get(&owner)).map_or(0, |(_, size)| *size);
            (owner, (body.len() as u64).saturating_sub(counted))
        };
        let owned = owner.map(of_owner);
        state.add(more, owned, self.max)?;
        let held = state.bodies.entry(address).or_default();
        held.viewers += 1;
        held.size = held.size.max(body.len());
        if let Some(owner) = owner {
            let (viewers, size) = held.owners.entry(owner).or_default();
            (*viewers, *size) = (*viewers + 1, (*size).max(body.len() as u64));
        }
        drop(state);
        Ok(Some(InFlightBody { in_flight: self.clone(), body: body.clone(), owner }))
    }

    /// Counts `size` bytes of a viewer of `owner`.
    ///
    /// # Errors
    /// They would exceed the budget, in all or of `owner`.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        size: usize,
        owner: Option<Digest>,
    ) -> Result<Option<Reserved>, BudgetExceeded> {
        if size < MIN_COUNTED {
            return Ok(None);
        }
        let size = size as u64;
        self.state().add(size, owner.map(|owner| (owner, size)), self.max)?;
        Ok(Some(Reserved { in_flight: self.clone(), size, owner }))
    }

    /// The bytes in flight now.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The budget would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BudgetExceeded;

impl State {
    /// Counts `more` bytes, and of an owner its own, unless they exceed `max`.
    fn add(&mut self, more: u64, owned: Option<(Digest, u64)>, max: u64) -> Result<(), BudgetExceeded> {
        // What is longer than the whole budget still goes out where it is alone.
        if more > 0 && self.bytes > 0 && self.bytes.saturating_add(more) > max {
            return Err(BudgetExceeded);
        }
        if let Some((owner, more)) = owned {
            let has = self.owners.get(&owner).copied().unwrap_or(0);
            if more > 0 && has > 0 && has.saturating_add(more) > max / OWNER_SHARE {
                return Err(BudgetExceeded);
            }
            *self.owners.entry(owner).or_default() += more;
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.in_flight.state();
        state.bytes = state.bytes.saturating_sub(self.size);
        if let Some(owner) = &self.owner {
            release(&mut state.owners, owner, self.size);
        }
    }
}

impl Drop for InFlightBody {
    fn drop(&mut self) {
        let mut state = self.in_flight.state();
        let State { bytes, bodies, owners } = &mut *state;
        let address = self.body.as_ptr() as usize;
        let Some(held) = bodies.get_mut(&address) else { return };
        if let Some(owner) = &self.owner {
            held.release(owner, owners);
        }
        held.viewers -= 1;
        if held.viewers == 0 {
            *bytes = bytes.saturating_sub(held.size as u64);
            bodies.remove(&address);
        }
    }
}

impl BodyEntry {
    /// Counts one viewer of `owner` less.
    fn release(&mut self, owner: &Digest, owners: &mut HashMap<Digest, u64>) {
        let Some((viewers, size)) = self.owners.get_mut(owner) else { return };
        *viewers -= 1;
        if *viewers > 0 {
            return;
        }
        let size = *size;
        self.owners.remove(owner);
        release(owners, owner, size);
    }
}

/// Counts `size` bytes less for `owner`.
fn release(owners: &mut HashMap<Digest, u64>, owner: &Digest, size: u64) {
    if let Some(all) = owners.get_mut(owner) {
        *all = all.saturating_sub(size);
        if *all == 0 {
            owners.remove(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn a_body_counts_once_however_many_read_it_and_until_the_last_has() {
        let in_flight = InFlightBytes::new(5_000);
        let body = Bytes::from(vec![0; 3_000]);
        let loads: Vec<_> = (0..9).map(|_| in_flight.enter(&body, None).expect("room").expect("it counts")).collect();
        assert_eq!(in_flight.bytes(), 3_000);
        let other = Bytes::from(vec![0; 2_500]);
        assert_eq!(in_flight.enter(&other, None).err(), Some(BudgetExceeded));
        assert!(in_flight.enter(&Bytes::from(vec![0; 2_000]), None).is_ok());
        assert!(in_flight.enter(&Bytes::from_static(b"small"), None).expect("room").is_none());
        drop(loads);
        assert_eq!(in_flight.bytes(), 0);
        assert!(in_flight.enter(&other, None).is_ok());
    }

    #[test]
    fn the_bodies_of_eighty_thousand_viewers_are_counted_without_a_look_at_each_for_each() {
        assert_linear("bodies under way", |length| {
            let in_flight = InFlightBytes::new(u64::MAX);
            let shared = Bytes::from(vec![0; 2_000]);
            let digest = |viewer: usize| std::array::from_fn(|at| viewer.to_le_bytes().get(at).copied().unwrap_or(0));
            let loads: Vec<_> = (0..length).map(|viewer| in_flight.enter(&shared, Some(digest(viewer)))).collect();
            let own: Vec<_> = (0..length).map(|_| in_flight.enter(&Bytes::from(vec![0; 1_024]), None)).collect();
            drop((loads, own));
            assert_eq!(in_flight.bytes(), 0);
        });
    }

    #[test]
    fn a_body_longer_than_all_may_be_goes_where_it_is_alone() {
        let in_flight = InFlightBytes::new(1_000);
        let long = Bytes::from(vec![0; 3_000]);
        let load = in_flight.enter(&long, None).expect("room");
        assert!(in_flight.enter(&Bytes::from(vec![0; 1_024]), None).is_err());
        // A further viewer of it costs nothing more.
        drop(in_flight.enter(&long, None).expect("room for the same"));
        drop(load);
        assert_eq!(in_flight.bytes(), 0);
    }

    #[test]
    fn what_one_viewer_costs_counts_beside_the_bodies_and_in_its_share() {
        let in_flight = InFlightBytes::new(20_000);
        let [eager, other] = [Some([1; 32]), Some([2; 32])];
        let held = in_flight.reserve(3_000, eager).expect("room").expect("it counts");
        assert!(in_flight.reserve(100, eager).expect("room").is_none());
        assert_eq!(in_flight.reserve(3_000, eager).err(), Some(BudgetExceeded));
        // Its share is a quarter of all, to the last byte.
        assert!(in_flight.reserve(2_000, eager).is_ok());
        assert_eq!(in_flight.reserve(2_001, eager).err(), Some(BudgetExceeded));
        assert_eq!(in_flight.enter(&Bytes::from(vec![0; 3_000]), eager).err(), Some(BudgetExceeded));
        let more = in_flight.reserve(17_000, other).expect("room");
        assert_eq!(in_flight.reserve(1_024, None).err(), Some(BudgetExceeded));
        drop(held);
        assert!(in_flight.reserve(3_000, eager).is_ok());
        drop(more);
        let state = in_flight.state();
        assert!(state.bytes == 0 && state.owners.is_empty());
    }

    #[test]
    fn one_viewer_that_reads_nothing_leaves_room_for_the_others() {
        let in_flight = InFlightBytes::new(20_000);
        let bodies: Vec<_> = (0..4).map(|_| Bytes::from(vec![0; 2_000])).collect();
        let [eager, other] = [Some([1; 32]), Some([2; 32])];
        let mut loads: Vec<_> = bodies[..2].iter().map(|body| in_flight.enter(body, eager).expect("room")).collect();
        // The same body counts once; another one is too much, for this token alone.
        loads.push(in_flight.enter(&bodies[0], eager).expect("room"));
        assert_eq!(in_flight.enter(&bodies[2], eager).err(), Some(BudgetExceeded));
        loads.push(in_flight.enter(&bodies[2], other).expect("room"));
        loads.push(in_flight.enter(&bodies[0], other).expect("room"));
        assert_eq!(in_flight.bytes(), 6_000);
        // A token that holds nothing else may hold one body beyond its share, however many of its viewers read it.
        let long = Bytes::from(vec![0; 9_000]);
        for _ in 0..2 {
            loads.push(in_flight.enter(&long, Some([3; 32])).expect("room"));
        }
        loads.remove(1);
        loads.push(in_flight.enter(&bodies[3], eager).expect("room again"));
        drop(loads);
        let state = in_flight.state();
        assert!(state.bytes == 0 && state.bodies.is_empty() && state.owners.is_empty());
    }
}
