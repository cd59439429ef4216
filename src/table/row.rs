//! Rows of a feed: the text of each column as the server sent it. Versions of a row share the texts that did not
//! change.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::intern::Interner;

/// A map from the keys of rows, in the order in which the keys first came.
pub(crate) type ByKey<V> = IndexMap<Arc<str>, V, foldhash::fast::RandomState>;

/// The largest number of columns of a feed; a run has 26. Further ones are left out, so that no response can make the
/// lookup by name expensive.
pub(crate) const MAX_COLUMNS: usize = 512;

/// The column names of a feed, in the order in which they first came. All rows of the feed share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(Vec<Box<str>>);

impl Columns {
    /// The index of the column `name`; `None` where the feed has no such column.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| &**column == name)
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

static COLUMNS: Interner<Columns> = Interner::new();

/// A column's text on its way into a row.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    /// As it was parsed from a body.
    Read(Cow<'a, str>),
    /// A known long text, which was recognised and not parsed again (I17).
    Interned(Arc<str>),
}

impl Text<'_> {
    /// Whether the two are equal.
    fn is(&self, text: &Arc<str>) -> bool {
        match self {
            Self::Read(own) => **own == **text,
            Self::Interned(own) => Arc::ptr_eq(own, text) || own == text,
        }
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Read(text) => text,
            Self::Interned(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Read(Cow::Borrowed(text))
    }
}

/// One version of a row. A missing column and a null one are the same.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<Columns>,
    values: Box<[Option<Arc<str>>]>,
}

impl Row {
    /// The wire text of a column; `None` when null or missing.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let index = self.columns.position(column)?;
        self.values.get(index)?.as_deref()
    }

    /// The columns that are neither null nor missing, with their wire text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().zip(&self.values).filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Every column in the order in which they first came, with its wire text; `None` when null or missing.
    pub fn cells(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.columns.iter().zip(&self.values).map(|(name, value)| (name, value.as_deref()))
    }

    /// Whether this version and `last`, an earlier one, share the text of a column in memory, as versions do while the
    /// text does not change.
    #[must_use]
    pub fn shares(&self, last: &Self, column: &str) -> bool {
        let text = |row: &Self| row.values.get(row.columns.position(column)?).and_then(Option::as_ref).map(Arc::as_ptr);
        text(self).is_some_and(|own| text(last).is_some_and(|other| std::ptr::addr_eq(own, other)))
    }

    /// The same row with the columns alone whose index and name `keep` takes; the others are null.
    pub(crate) fn only(&self, keep: impl Fn(usize, &str) -> bool) -> Self {
        let kept = self.columns.iter().zip(&self.values).enumerate();
        let values = kept.map(|(index, (name, value))| value.clone().filter(|_| keep(index, name)));
        Self { columns: self.columns.clone(), values: values.collect() }
    }

    /// Whether both name the same columns in the same order, as far as each goes.
    pub(crate) fn is_aligned(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.columns, &other.columns)
            || self.columns.0.iter().zip(&other.columns.0).all(|(own, their)| own == their)
    }

    /// The shared text of a column.
    pub(crate) fn text(&self, column: &str) -> Option<&Arc<str>> {
        self.values.get(self.columns.position(column)?)?.as_ref()
    }

    /// The size of all texts, in bytes.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.values.iter().flatten().map(|text| text.len()).sum()
    }

    /// Merges `pairs` into `before` (an update, which can be partial) or into an empty row (an insert). `columns` grows
    /// when a pair names a new column. Texts that equal those of `shared` (the row's last version, whatever the
    /// operation) are shared and not copied.
    #[cfg(test)]
    pub(crate) fn merge<'a>(
        columns: &mut Arc<Columns>,
        before: Option<&Row>,
        shared: Option<&Row>,
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Option<Cow<'a, str>>)>,
    ) -> Self {
        let pairs = pairs.into_iter().map(|(name, text)| (name, text.map(Text::Read)));
        Self::merge_texts(columns, before, shared, pairs)
    }

    /// As [`Row::merge`], of texts that may be interned.
    pub(crate) fn merge_texts<'a>(
        columns: &mut Arc<Columns>,
        before: Option<&Row>,
        shared: Option<&Row>,
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Option<Text<'a>>)>,
    ) -> Self {
        let mut values: Vec<Option<Arc<str>>> = before.map(|row| row.values.to_vec()).unwrap_or_default();
        values.resize(columns.0.len(), None);
        let mut guess = 0;
        let at_first = columns.0.len();
        for (name, text) in pairs {
            // Nearly all rows name their columns in the same order.
            let index = if columns.0.get(guess).is_some_and(|column| **column == *name) {
                guess
            } else if let Some(index) = columns.position(&name) {
                index
            } else if columns.0.len() >= MAX_COLUMNS {
                continue;
            } else {
                // Rare: a row names a column that no row had before.
                Arc::make_mut(columns).0.push(name.as_ref().into());
                values.push(None);
                columns.0.len() - 1
            };
            guess = index + 1;
            let old = shared.and_then(|row| row.values.get(index)).and_then(Option::as_ref);
            values[index] = text.map(|text| match (old, text) {
                (Some(old), text) if text.is(old) => Arc::clone(old),
                (Some(_) | None, Text::Interned(text)) => text,
                (Some(_) | None, Text::Read(text)) => Arc::from(text.as_ref()),
            });
        }
        if columns.0.len() > at_first {
            *columns = COLUMNS.intern(Columns::clone(columns));
        }
        Self { columns: Arc::clone(columns), values: values.into_boxed_slice() }
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        // The columns of a feed only grow, so the indices of two versions agree.
        if Arc::ptr_eq(&self.columns, &other.columns) || other.columns.0.starts_with(&self.columns.0) {
            let (short, long) = (&self.values, &other.values);
            return same(short, long);
        }
        if self.columns.0.starts_with(&other.columns.0) {
            return same(&other.values, &self.values);
        }
        self.iter().count() == other.iter().count() && self.iter().all(|(name, text)| other.get(name) == Some(text))
    }
}

impl Eq for Row {}

fn same(short: &[Option<Arc<str>>], long: &[Option<Arc<str>>]) -> bool {
    let (Some(head), Some(tail)) = (long.get(..short.len()), long.get(short.len()..)) else { return false };
    tail.iter().all(Option::is_none) && short.iter().zip(head).all(|(a, b)| same_text(a.as_ref(), b.as_ref()))
}

fn same_text(a: Option<&Arc<str>>, b: Option<&Arc<str>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &mut Arc<Columns>, before: Option<&Row>, pairs: &[(&'static str, Option<&'static str>)]) -> Row {
        let pairs = pairs.iter().map(|&(name, text)| (name.into(), text.map(Into::into)));
        Row::merge(columns, before, before, pairs)
    }

    #[test]
    fn a_partial_update_keeps_the_other_columns_and_shares_their_texts() {
        let mut columns = Arc::default();
        let first = row(&mut columns, None, &[("id", Some("1")), ("status", Some("PENDING")), ("error", None)]);
        let second = row(&mut columns, Some(&first), &[("status", Some("EXECUTING"))]);
        assert_eq!(second.get("id"), Some("1"));
        assert_eq!(second.get("status"), Some("EXECUTING"));
        assert_eq!(first.get("id").map(str::as_ptr), second.get("id").map(str::as_ptr));
        assert_ne!(first, second);
    }

    #[test]
    fn a_null_and_a_missing_column_are_the_same() {
        let mut columns = Arc::default();
        let first = row(&mut columns, None, &[("id", Some("1"))]);
        let second = row(&mut columns, None, &[("id", Some("1")), ("late", None)]);
        let third = row(&mut columns, None, &[("late", Some("x")), ("id", Some("1"))]);
        assert_eq!(first, second);
        assert_eq!(second, first);
        assert_ne!(second, third);
        assert_ne!(first, third);
    }

    #[test]
    fn columns_beyond_the_limit_are_left_out() {
        let mut columns = Arc::default();
        let names: Vec<String> = (0..2 * MAX_COLUMNS).map(|n| n.to_string()).collect();
        let pairs = names.iter().map(|name| (Cow::from(name.as_str()), Some(Cow::from("x"))));
        let row = Row::merge(&mut columns, None, None, pairs);
        assert_eq!(row.iter().count(), MAX_COLUMNS);
    }

    #[test]
    fn rows_of_different_feeds_compare_by_name() {
        let one = row(&mut Arc::default(), None, &[("a", Some("1")), ("b", Some("2"))]);
        let two = row(&mut Arc::default(), None, &[("b", Some("2")), ("a", Some("1"))]);
        assert_eq!(one, two);
    }
}
