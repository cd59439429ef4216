//! The feed's machine against a random server.

use super::{Follower, SeededRng, World, fuzz};

#[test]
fn whatever_a_server_sends_every_run_is_told_as_it_is() {
    fuzz(500, |seed| {
        let mut rng = SeededRng::new(seed);
        let mut world = World::new(&mut rng, 1_795_335_402_432);
        let finished = if rng.one_in(2) { rng.below(4) } else { 1_000 };
        let mut follower = Follower::new(&mut rng, finished);
        for _ in 0..40 {
            for _ in 0..rng.below(4) {
                world.change(&mut rng);
            }
            follower.turn(&mut world, &mut rng);
        }
        40
    });
}
