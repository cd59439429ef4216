//! The place of a row: its key, its time and digests of its columns, from which any relay tells what a page lacks of the
//! row. Pure.
//!
//! Groups of 48 bits, each 8 characters of base64url: the key, `updatedAt` in milliseconds, a digest of all short columns,
//! and one of each long column.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::relay::feed::{ColumnSet, RowView};
use crate::secret::Secret;
use crate::table::Row;

/// How many places a want may bring.
pub(super) const MAX_PLACES: usize = 1_000;
/// Columns whose text is longer have a digest of their own, in bytes.
const LONG: usize = 64;
/// The columns of a packet: its data and its type. The one is of no use without the other.
const PACKETS: [(&str, &str); 3] = [("payload", "payloadType"), ("output", "outputType"), ("metadata", "metadataType")];
/// How many long columns have one. Further ones come again.
const MAX_LONG: usize = 64;
/// The bytes of a group, and its characters.
const GROUP: usize = 6;
const GROUP_TEXT: usize = 8;

/// The place that a page has reached in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The key of the row, hashed.
    pub(super) key: u64,
    /// Its `updatedAt`, in Unix milliseconds.
    pub(super) updated_ms: u64,
    /// The digest of the short columns, then those of the long ones.
    digests: Vec<u64>,
}

/// Makes digests that are equal on all relays with one secret key. Without the key nobody can tell from a digest which
/// text it is of.
#[derive(Clone, Debug)]
pub(super) struct Digests(hmac::Key);

impl Digests {
    pub(super) fn new(secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, b"trigger-native live places 1").as_ref()))
    }

    /// The place of a row, of which `shown` are the columns that the viewer may see.
    pub(super) fn place(&self, key: u64, view: &RowView, shown: ColumnSet) -> Place {
        let cells = Cells { row: &view.row, shown };
        let mut digests = vec![self.short(cells)];
        digests.extend(cells.long().map(|(_, name, text)| self.long(cells, name, text)).take(MAX_LONG));
        Place { key, updated_ms: view.updated_ms, digests }
    }

    /// The columns of a row that a page at `place` lacks.
    pub(super) fn lacking(&self, place: &Place, row: &Row, shown: ColumnSet) -> ColumnSet {
        let cells = Cells { row, shown };
        let mut lacking = ColumnSet::default();
        if place.digests.first() != Some(&self.short(cells)) {
            lacking = ColumnSet::of(row, |index, name| shown.has(index) && !cells.is_long(name));
        }
        let known = place.digests.get(1..).unwrap_or_default();
        for (index, name, text) in cells.long() {
            // No text is read for a page that has none, and none twice, however many digests a place has.
            if known.is_empty() || !known.contains(&self.long(cells, name, text)) {
                lacking.insert(index);
            }
        }
        lacking
    }

    /// The digest of all short columns and of which are long, in any order. A column that is null and one that is missing
    /// are the same.
    fn short(&self, cells: Cells<'_>) -> u64 {
        let shown = cells.row.cells().enumerate().filter(|(index, _)| cells.shown.has(*index));
        let mut short: Vec<_> = shown
            .filter_map(|(_, (name, text))| Some((name, text?)))
            .map(|(name, text)| (name, (!cells.is_long(name)).then_some(text)))
            .collect();
        short.sort_unstable();
        let mut context = hmac::Context::with_key(&self.0);
        for (name, text) in short {
            update(&mut context, name);
            match text {
                Some(text) => update(&mut context, text),
                None => context.update(&u64::MAX.to_le_bytes()),
            }
        }
        number(context.sign().as_ref())
    }

    /// The digest of a long column; of a packet's data, with its type.
    fn long(&self, cells: Cells<'_>, name: &str, text: &str) -> u64 {
        let mut context = hmac::Context::with_key(&self.0);
        update(&mut context, name);
        update(&mut context, cells.type_of(name).unwrap_or_default());
        context.update(text.as_bytes());
        number(context.sign().as_ref())
    }
}

/// The columns of a row that are shown.
#[derive(Clone, Copy)]
struct Cells<'a> {
    row: &'a Row,
    shown: ColumnSet,
}

impl<'a> Cells<'a> {
    /// Whether a column has a digest of its own: its text is long, or it is the type of data that is.
    fn is_long(&self, name: &str) -> bool {
        let text = PACKETS.iter().find(|(_, kind)| *kind == name).map_or(name, |(data, _)| data);
        self.row.get(text).is_some_and(|text| text.len() > LONG)
    }

    /// The long columns: index, name and text. The type of a packet is with its data.
    fn long(self) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
        let cells = self.row.cells().enumerate().filter(move |(index, _)| self.shown.has(*index));
        let texts = cells.filter_map(|(index, (name, text))| Some((index, name, text?)));
        texts.filter(move |(_, name, _)| self.is_long(name) && !PACKETS.iter().any(|(_, kind)| kind == name))
    }

    /// The type of a packet, of which `name` is the data, where it is shown.
    fn type_of(&self, name: &str) -> Option<&'a str> {
        let (_, kind) = PACKETS.iter().find(|(data, _)| *data == name)?;
        let mut shown = self.row.cells().enumerate().filter(|(index, _)| self.shown.has(*index));
        shown.find(|(_, (column, _))| column == kind)?.1.1
    }
}

impl Place {
    /// The longest text of a place, in bytes; twice as much as one takes.
    pub(super) const MAX_BYTES: usize = 1_024;
    /// What a place takes in a map beside its text, in bytes.
    const OVERHEAD_BYTES: usize = 128;

    /// The bytes that places take until they were compared, which is what their texts do, give or take: a group has as
    /// many bytes as characters.
    pub(super) fn bytes_of(texts: &[String]) -> usize {
        texts.iter().map(|text| text.len() + Self::OVERHEAD_BYTES).sum()
    }

    /// A place of a row of which the page has no column.
    #[cfg(test)]
    pub(super) fn at(key: u64, updated_ms: u64) -> Self {
        Self { key, updated_ms, digests: Vec::new() }
    }

    /// The text of the place.
    pub(super) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity((2 + self.digests.len()) * GROUP);
        for group in [self.key, self.updated_ms].iter().chain(&self.digests) {
            bytes.extend_from_slice(&group.to_be_bytes()[8 - GROUP..]);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a place; `None` for a text that is none.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() % GROUP != 0 {
            return None;
        }
        let mut groups =
            bytes.chunks_exact(GROUP).map(|group| group.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        Some(Self { key: groups.next()?, updated_ms: groups.next()?, digests: groups.collect() })
    }
}

/// The key of a row as places have it: equal on every relay.
pub(super) fn key_of(row_key: &str) -> u64 {
    number(digest::digest(&digest::SHA256, row_key.as_bytes()).as_ref())
}

/// The text of a key.
pub(super) fn key_text(key: u64) -> String {
    let text = URL_SAFE_NO_PAD.encode(&key.to_be_bytes()[8 - GROUP..]);
    debug_assert_eq!(text.len(), GROUP_TEXT);
    text
}

fn update(context: &mut hmac::Context, text: &str) {
    context.update(&(text.len() as u64).to_le_bytes());
    context.update(text.as_bytes());
}

/// The first 48 bits of a digest.
fn number(digest: &[u8]) -> u64 {
    digest.iter().take(GROUP).fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn view(pairs: &[(&'static str, &str)], updated_ms: u64) -> RowView {
        let pairs =
            pairs.iter().map(|(name, text)| ((*name).into(), (*text != "-").then(|| (*text).to_owned().into())));
        let row = Arc::new(Row::merge(&mut Arc::default(), None, None, pairs));
        RowView { row, version: 1, created_ms: 1, updated_ms, columns: [].into() }
    }

    fn all(view: &RowView) -> ColumnSet {
        ColumnSet::of(&view.row, |_, _| true)
    }

    fn digests() -> Digests {
        Digests::new(&Secret::new("tr_dev_1"))
    }

    /// The names of the columns that a page at the place of `before` lacks of `after`.
    fn lacking(before: &RowView, after: &RowView) -> Vec<String> {
        let text = digests().place(7, before, all(before)).encode();
        let lacking = digests().lacking(&Place::decode(&text).expect("a place"), &after.row, all(after));
        let cells = after.row.cells().enumerate().filter(|(index, _)| lacking.has(*index));
        cells.map(|(_, (name, _))| name.to_owned()).collect()
    }

    #[test]
    fn a_page_lacks_the_long_columns_that_changed_and_the_short_ones_together() {
        let (one, two) = ("1".repeat(65), "2".repeat(65));
        let before = view(&[("id", "1"), ("status", "A"), ("payload", &one), ("output", &two), ("error", "-")], 5);
        assert_eq!(lacking(&before, &before), Vec::<String>::new());
        let status = view(&[("id", "1"), ("status", "B"), ("payload", &one), ("output", &two), ("error", "-")], 6);
        assert_eq!(lacking(&before, &status), ["id", "status", "error"]);
        let output = view(&[("id", "1"), ("status", "A"), ("payload", &one), ("output", &one), ("error", "-")], 6);
        assert_eq!(lacking(&before, &output), ["output"], "a text of another column is not the column's");
        let gone = view(&[("id", "1"), ("status", "A"), ("payload", &one), ("output", "-"), ("error", "-")], 6);
        assert_eq!(lacking(&before, &gone), ["id", "status", "output", "error"], "a text that is gone is told as such");
        let short = view(&[("id", "1"), ("status", "A"), ("payload", &one), ("output", "2"), ("error", "-")], 6);
        assert_eq!(lacking(&short, &before), ["id", "status", "output", "error"]);
    }

    #[test]
    fn a_packet_is_lacked_with_its_type_or_not_at_all() {
        let long = "1".repeat(65);
        let before = view(&[("id", "1"), ("payload", &long), ("payloadType", "a"), ("status", "A")], 5);
        let status = view(&[("id", "1"), ("payload", &long), ("payloadType", "a"), ("status", "B")], 6);
        assert_eq!(lacking(&before, &status), ["id", "status"]);
        let kind = view(&[("id", "1"), ("payload", &long), ("payloadType", "b"), ("status", "A")], 6);
        assert_eq!(lacking(&before, &kind), ["payload"]);
        let short = view(&[("id", "1"), ("payload", "1"), ("payloadType", "a"), ("status", "A")], 6);
        assert_eq!(lacking(&before, &short), ["id", "payload", "payloadType", "status"]);
    }

    #[test]
    fn a_place_is_read_back_and_what_is_none_is_not() {
        let view = view(&[("id", "1"), ("payload", &"x".repeat(300_000))], 1_795_335_402_432);
        let place = digests().place(key_of("\"public\".\"TaskRun\"/\"1\""), &view, all(&view));
        let text = place.encode();
        assert_eq!((Place::decode(&text), text.len()), (Some(place.clone()), 32));
        assert_eq!(&text[..8], key_text(place.key));
        for text in ["", "abcdefgh", "abcdefghabcdefg", "abcdefgh abcdefgh", "é", "!!!!!!!!!!!!!!!!"] {
            assert_eq!(Place::decode(text), None, "{text}");
        }
        assert!(Place::decode("abcdefghabcdefgh").is_some(), "a page that has no column of the row");
    }

    #[test]
    fn a_place_stays_short_however_many_columns_are_long() {
        let names: Vec<String> = (0..500).map(|at| at.to_string()).collect();
        let long = "x".repeat(65);
        let pairs = names.iter().map(|name| (name.as_str().into(), Some(long.as_str().into())));
        let row = Arc::new(Row::merge(&mut Arc::default(), None, None, pairs));
        let view = RowView { row, version: 1, created_ms: 1, updated_ms: 1, columns: [].into() };
        assert!(digests().place(1, &view, all(&view)).encode().len() <= Place::MAX_BYTES / 2 + 64);
    }

    #[test]
    fn relays_with_one_key_understand_each_others_places_and_those_with_another_tell_all() {
        let view = view(&[("id", "1"), ("payload", &"x".repeat(65))], 5);
        let place = digests().place(7, &view, all(&view));
        assert!(digests().lacking(&place, &view.row, all(&view)).is_empty());
        let other = Digests::new(&Secret::new("tr_dev_2"));
        assert_eq!(other.lacking(&place, &view.row, all(&view)), all(&view));
        assert!(!format!("{:?}", digests()).contains("tr_dev"));
    }

    #[test]
    fn a_place_says_nothing_of_a_column_that_its_viewer_may_not_see() {
        let (one, two) = (view(&[("id", "1"), ("payload", "a")], 5), view(&[("id", "1"), ("payload", "b")], 5));
        let shown = ColumnSet::of(&one.row, |_, name| name != "payload");
        assert_eq!(digests().place(7, &one, shown), digests().place(7, &two, shown));
        assert!(digests().lacking(&digests().place(7, &one, shown), &two.row, shown).is_empty());
    }

    #[test]
    fn a_long_text_is_read_once_however_many_digests_a_place_has() {
        crate::growth::assert_linear("digests of a place", |length| {
            let view = view(&[("id", "1"), ("payload", &"x".repeat(length))], 1);
            let place = Place { digests: vec![0; length / 10], ..Place::at(1, 1) };
            assert_eq!(digests().lacking(&place, &view.row, all(&view)), all(&view));
        });
    }

    #[test]
    fn places_take_their_texts_and_what_a_map_has_for_each() {
        assert_eq!(Place::bytes_of(&[]), 0);
        assert_eq!(Place::bytes_of(&["abc".to_owned(), String::new()]), 3 + 2 * Place::OVERHEAD_BYTES);
    }

    proptest! {
        #[test]
        fn no_text_of_a_place_makes_it_panic(text in any::<String>(), letters in "[A-Za-z0-9_-]{0,80}") {
            for text in [text, letters] {
                if let Some(place) = Place::decode(&text) {
                    prop_assert_eq!(place.encode(), text);
                }
            }
        }

        #[test]
        fn a_page_that_is_told_what_it_lacks_has_the_row(
            before in prop::collection::vec(prop::option::of("(a|b|c{65}|d{66})"), 4),
            after in prop::collection::vec(prop::option::of("(a|b|c{65}|d{66})"), 4),
        ) {
            let of = |texts: &[Option<String>]| {
                let names = ["status", "payload", "output", "error"];
                let pairs: Vec<_> = names.iter().zip(texts).map(|(name, text)| (*name, text.as_deref().unwrap_or("-"))).collect();
                view(&pairs, 1)
            };
            let (old, new) = (of(&before), of(&after));
            let told = lacking(&old, &new);
            for (name, text) in new.row.cells() {
                let has = if told.iter().any(|one| one == name) { text } else { old.row.get(name) };
                prop_assert_eq!(has, text, "{}", name);
            }
        }
    }
}
