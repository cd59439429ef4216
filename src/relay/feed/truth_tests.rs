//! Several viewers of one copy, each at another cursor, against a model of the server that knows what each must see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::copy::tests::endpoint;
use super::rows::Retention;
use super::tests::{Received, options, request};
use super::{FeedKey, Reply, Subscriber, answer};
use crate::clock::unix_ms;
use crate::hub::{Batch, Item};
use crate::serve::Request;
use crate::shape::truth::{Cells, Follower, SeededRng, World, fuzz};
use crate::shape::{Change, Schema};
use crate::timestamp::parse_utc;

type Rows = BTreeMap<String, Cells>;

const HOUR_MS: u64 = 3_600_000;

/// A copy, the changes that wait for it, and the rows that it was given.
struct Fixture {
    subscriber: Subscriber,
    schema: Arc<Schema>,
    waiting: Batch,
    told: Rows,
    /// The time of the last change that the copy was given.
    told_ms: u64,
}

impl Fixture {
    fn new(rng: &mut SeededRng) -> Self {
        let mut options = options("http://127.0.0.1:1", "tr_dev_1234567890");
        options.hold = Duration::ZERO;
        let keep =
            if rng.one_in(2) { Retention { rows: rng.below(3), bytes: usize::MAX } } else { Retention::default() };
        let (subscriber, _) = Subscriber::detached(FeedKey::tags(Some("a"), Some("1h")), keep, &options);
        let schema = Arc::new(Schema::parse(World::schema().as_bytes()).expect("a schema"));
        Self { subscriber, schema, waiting: Batch::default(), told: Rows::new(), told_ms: 0 }
    }

    /// Queues changes as the hub does: a delete drops the waiting changes of its row.
    fn wait(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Row { key, row } => self.waiting.rows.push(Item { key, row, schema: self.schema.clone() }),
                Change::Gone { key } => {
                    self.waiting.rows.retain(|item| item.key != key);
                    self.waiting.gone.push(key);
                }
                Change::Evicted { .. } => {}
                Change::Malformed { key, why } => panic!("{key:?}: {why}"),
            }
        }
    }

    fn tell(&mut self, follower: &Follower) {
        self.subscriber.copy().take(std::mem::take(&mut self.waiting), &endpoint());
        self.subscriber.copy().publish();
        self.told.clone_from(&follower.rows);
        self.told_ms = follower.told_ms;
    }

    /// Begins with all present rows.
    fn fill(&mut self, follower: &Follower) {
        let items = follower.present().map(|(key, row)| (key.clone(), row.clone()));
        self.waiting.rows = items.map(|(key, row)| Item { key, row, schema: self.schema.clone() }).collect();
        self.tell(follower);
    }

    /// The place of a viewer that saw everything up to now.
    fn now(&self, window_ms: u64) -> (String, String) {
        let (copy, newest) = (self.subscriber.copy(), self.told.values().map(|cells| time(cells, "updatedAt")).max());
        let sequence = copy.rows().sequence();
        (copy.handle(window_ms, sequence), format!("{}_{sequence}", newest.unwrap_or(0)))
    }
}

/// A viewer, and the rows that it has.
#[derive(Default)]
struct Viewer {
    place: Option<(String, String)>,
    rows: Rows,
    /// Leaves out the payload.
    skips: bool,
    window_ms: u64,
    /// When the server itself answered it last: the copy may be behind that.
    there_ms: u64,
}

impl Viewer {
    fn shown(&self, rows: &Rows) -> Rows {
        let shown = rows.iter().filter(|(_, cells)| time(cells, "createdAt") >= self.window_ms);
        shown
            .map(|(key, cells)| {
                let mut cells = cells.clone();
                if self.skips {
                    cells.remove("payload");
                }
                (key.clone(), cells)
            })
            .collect()
    }

    fn request(&self, rng: &mut SeededRng) -> Request {
        let skips = if self.skips { "&skipColumns=payload" } else { "" };
        let live = if rng.one_in(2) { "&live=true&cursor=" } else { "" };
        request(&match &self.place {
            Some((handle, offset)) => format!("handle={handle}&offset={offset}{live}{skips}"),
            None => format!("offset=-1{skips}"),
        })
    }

    /// The server itself answers, with all rows.
    fn there(&mut self, world: &World) {
        self.rows = self.shown(world.rows());
        self.there_ms = world.now_ms();
        let newest = self.rows.values().map(|cells| time(cells, "updatedAt")).max().unwrap_or(0);
        self.place = Some(if world.whole {
            (format!("runs_{}_9_f", self.window_ms), format!("{newest}_9"))
        } else {
            (format!("31415926-{}", world.now_ms()), format!("{}_0", 9_000_000_000_000_u64 + world.now_ms()))
        });
    }

    async fn poll(&mut self, fixture: &Fixture, world: &World, rng: &mut SeededRng) {
        let asked = self.request(rng);
        let reply = match answer(&fixture.subscriber, &asked, &[], None).await {
            Reply::Answer(reply) => Received::of(reply).await,
            Reply::Upstream => return self.there(world),
        };
        let is_own = self.place.as_ref().is_some_and(|(handle, _)| fixture.subscriber.copy().is_own(handle));
        if reply.status == 409 {
            let (handle, _) = self.place.take().expect("a snapshot is never refused");
            let is_servers = handle.ends_with("_f") || handle.starts_with('3');
            assert!(!(is_servers && fixture.subscriber.copy().rows().is_partial()), "back to where it came from");
            return;
        }
        assert_eq!(reply.status, 200);
        let is_snapshot = self.place.is_none();
        if is_snapshot {
            self.rows.clear();
            self.there_ms = 0;
            let handle = reply.header("electric-handle");
            self.window_ms = handle.split('_').nth(1).expect("a window").parse().expect("a number");
        }
        let messages: Vec<Value> = serde_json::from_slice(&reply.body).expect("messages");
        for message in &messages {
            self.take(message, fixture, is_own);
        }
        self.place = Some((reply.header("electric-handle").into(), reply.header("electric-offset").into()));
        if self.there_ms <= fixture.told_ms {
            assert_eq!(self.rows, self.shown(&fixture.told));
        }
    }

    fn take(&mut self, message: &Value, fixture: &Fixture, is_own: bool) {
        let Some(key) = message["key"].as_str() else { return };
        let before = self.rows.get(key);
        match message["headers"]["operation"].as_str().expect("an operation") {
            "delete" => {
                // A copy does not know in whose window an evicted run was.
                let is_partial = fixture.subscriber.copy().rows().is_partial();
                assert!(before.is_some() || is_partial, "told of a delete of {key}, which it never had");
                self.rows.remove(key);
            }
            operation => {
                // Nor does the copy know which viewers have an evicted run that comes back.
                let is_partial = fixture.subscriber.copy().rows().is_partial();
                assert!(
                    !is_own || is_partial || operation == "insert" || before.is_some(),
                    "an update of {key}, which it never had"
                );
                assert!(self.place.is_some() || before.is_none(), "{key} twice");
                let value = message["value"].as_object().expect("columns");
                let text = |text: &Value| text.as_str().expect("a text").to_owned();
                let cells: Cells = value
                    .iter()
                    .filter(|(_, cell)| !cell.is_null())
                    .map(|(name, cell)| (name.clone(), text(cell)))
                    .collect();
                let is_older = before.is_some_and(|before| time(before, "updatedAt") > time(&cells, "updatedAt"));
                assert!(!is_older, "an older state of {key}");
                self.rows.insert(key.to_owned(), cells);
            }
        }
    }
}

fn time(cells: &Cells, column: &str) -> u64 {
    cells.get(column).and_then(|text| parse_utc(text)).expect("a time")
}

async fn play(seed: u64, now_ms: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let mut world = World::new(&mut rng, now_ms);
    let mut follower = Follower::new(&mut rng, 1_000);
    let mut fixture = Fixture::new(&mut rng);
    let mut viewers: Vec<Viewer> = Vec::new();
    while follower.told_ms == 0 {
        follower.turn(&mut world, &mut rng);
    }
    fixture.fill(&follower);
    let mut polls = 0;
    for _ in 0..30 {
        for _ in 0..rng.below(4) {
            world.change(&mut rng);
        }
        fixture.wait(follower.turn(&mut world, &mut rng));
        if rng.one_in(2) {
            fixture.tell(&follower);
        }
        if rng.one_in(40) && world.whole {
            // Another relay, or this one after a restart.
            fixture = Fixture::new(&mut rng);
            fixture.fill(&follower);
        }
        if viewers.len() < 5 && rng.one_in(4) {
            let mut viewer = Viewer { skips: rng.one_in(3), ..Viewer::default() };
            if rng.one_in(3) {
                // The viewer came hours ago, and saw every change since.
                viewer.window_ms = (now_ms - 3 * HOUR_MS) / 60_000 * 60_000;
                let (handle, offset) = fixture.now(viewer.window_ms);
                viewer.place = Some((handle, offset));
                viewer.rows = viewer.shown(&fixture.told);
            }
            viewers.push(viewer);
        }
        for viewer in &mut viewers {
            if rng.one_in(2) {
                viewer.poll(&fixture, &world, &mut rng).await;
                polls += 1;
            }
        }
    }
    polls
}

#[test]
fn however_viewers_come_and_go_each_sees_what_the_server_has() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    fuzz(150, |seed| runtime.block_on(play(seed, unix_ms())));
}
