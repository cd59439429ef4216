//! Answers as a cache has them that looks at the path alone.

use std::collections::HashMap;

use bytes::Bytes;
use http::response::Parts;

#[derive(Clone, Debug)]
pub struct Whole {
    pub head: Parts,
    pub body: Bytes,
}

/// The first and the latest answer of each path.
#[derive(Debug, Default)]
pub struct Cache(HashMap<String, (Whole, Whole)>);

impl Cache {
    pub fn put(&mut self, path: &str, answer: &Whole) {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        self.0
            .entry(path)
            .and_modify(|(_, latest)| *latest = answer.clone())
            .or_insert((answer.clone(), answer.clone()));
    }

    pub fn get(&self, path: &str, first: bool) -> Option<Whole> {
        let (oldest, latest) = self.0.get(path.split('?').next()?)?;
        Some(if first { oldest.clone() } else { latest.clone() })
    }
}
