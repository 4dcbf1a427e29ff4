//! Paging through keys.

use super::Scan;
use super::leap::Stride;
use crate::columns::KeyColumn;
use crate::error::{Error, Result};
use crate::milvus::LARGEST_PAGE;
use crate::milvus::expr::key_range;
use crate::model::Key;

/// Pages grow back after so many pages without a size error.
const PAGES_BEFORE_GROWTH: u32 = 8;

/// A page with less than this part of its limit is a trickle; after so many of them in a row the rest is asked for at
/// once. A loader that adds a hundred thousand rows a second comes to a quarter of a page from one to the next.
const TRICKLE: u64 = 4;
const TRICKLES_BEFORE_THE_REST: u32 = 4;

/// A walk over the keys of a scan, in ascending order.
pub struct Walker<'a> {
    pub(super) scan: &'a Scan,
    pub(super) after: Option<Key>,
    to: Option<Key>,
    limit: u64,
    calm: u32,
    /// How many pages in a row were a trickle.
    trickles: u32,
    /// Whether larger pages are asked for, because no key of a whole page can be named.
    growing: bool,
    pub(super) stride: Stride,
    done: bool,
}

impl Scan {
    /// Walks all keys.
    pub fn walk(&self) -> Walker<'_> {
        self.walk_between(None, None)
    }

    /// Walks the keys after `after`, up to and including `to`.
    pub fn walk_between(&self, after: Option<Key>, to: Option<Key>) -> Walker<'_> {
        Walker {
            scan: self,
            after,
            to,
            limit: LARGEST_PAGE,
            calm: 0,
            trickles: 0,
            growing: false,
            stride: Stride::new(),
            done: false,
        }
    }
}

impl Walker<'_> {
    /// The next keys, strictly ascending and all after the ones before; `None` at the end.
    ///
    /// Only an empty page is the end: a short one is not (rows that share a key count against the limit
    /// on 2.2 and 2.3, and are returned once).
    ///
    /// Where somebody adds rows at the end for as long as the walk takes (keys that grow with time), no page would
    /// ever be empty. So after a few pages of next to nothing all that is left is asked for at once: what comes after
    /// that was written after the walk had begun.
    pub async fn next_page(&mut self) -> Result<Option<KeyColumn>> {
        if self.done {
            return Ok(None);
        }
        loop {
            let rest = self.is_due_for_the_rest();
            let Some(mut keys) = self.page(rest).await? else {
                continue;
            };
            keys.sort_and_dedup();
            if keys.is_empty() {
                self.done = true;
                return Ok(None);
            }
            if let (Some(first), Some(after)) = (keys.key(0), &self.after)
                && first <= *after
            {
                return Err(self.scan.incomplete(format!(
                    "asked for keys after {after}, the server returned {first}"
                )));
            }
            let keep = match self.last_that_can_be_continued_from(&keys) {
                Some(last) => last + 1,
                // Nothing here can be named in an expression. What is asked for in one piece is the end, if more is
                // allowed and no more comes.
                None if (keys.len() as u64) < self.limit => {
                    self.done = true;
                    keys.len()
                }
                None if self.limit < LARGEST_PAGE => {
                    self.limit = (self.limit * 2).min(LARGEST_PAGE);
                    self.growing = true;
                    continue;
                }
                None => return Err(self.nothing_nameable()),
            };
            // A server may have a limit of its own: milvus-lite 2.5.1 gives as many as on the largest page.
            self.done |= rest && keep == keys.len() && (keep as u64) < LARGEST_PAGE;
            let is_trickle = !rest && (keep as u64) < self.limit / TRICKLE;
            self.trickles = if is_trickle { self.trickles + 1 } else { 0 };
            let keys = keys.slice(0..keep);
            self.after = keys.key(keep - 1);
            self.growing = false;
            self.stride.saw(&keys);
            self.grow();
            return Ok(Some(keys));
        }
    }

    /// Whether all keys have been walked.
    pub(super) fn ended(&self) -> bool {
        self.done
    }

    fn is_due_for_the_rest(&self) -> bool {
        let pinned = self.scan.snapshot.timestamp().is_some();
        self.trickles >= TRICKLES_BEFORE_THE_REST && self.to.is_none() && !pinned
    }

    /// Asks for a page, or for all that is left; `None` where it must be asked for again, as it was too large.
    async fn page(&mut self, rest: bool) -> Result<Option<KeyColumn>> {
        let scan = self.scan;
        scan.pin().await?;
        let expr = key_range(
            &scan.key.name,
            scan.has_text_keys(),
            self.after.as_ref(),
            self.to.as_ref(),
        );
        let fields = std::slice::from_ref(&scan.key.name);
        let query = scan.query(expr, fields, (!rest).then_some(self.limit));
        match scan.cluster.query(&query).await {
            Ok(page) => {
                let keys = KeyColumn::of_answer(page.fields, &scan.key.name)?;
                // Else it would look like the end.
                let without_keys = || Error::Answer {
                    server: scan.cluster.server().to_owned(),
                    call: "Query",
                    subject: scan.name.to_string(),
                    reason: format!("rows came without their primary key {}", scan.key.name),
                };
                keys.ok_or_else(without_keys).map(Some)
            }
            Err(Error::TooLarge { .. }) if rest => {
                self.trickles = 0;
                Ok(None)
            }
            // Asking for less would bring no key to go on from either.
            Err(Error::TooLarge { .. }) if self.growing => Err(self.nothing_nameable()),
            Err(Error::TooLarge { .. }) if self.limit > 1 => {
                self.limit = (self.limit / 2).max(1);
                self.calm = 0;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The end of what can be walked: milvus-lite 2.5.1 gives no more than 16,384 rows, limit or not, and skips none
    /// beyond that.
    fn nothing_nameable(&self) -> Error {
        let after = self.after.as_ref();
        self.scan.incomplete(format!(
            "after {} come {} keys or more with line breaks or tabs, which this server's expressions cannot name; \
             upgrade milvus-lite to 3, or give some of them other keys",
            after.map_or_else(|| "the beginning".to_owned(), Key::to_string),
            self.limit,
        ))
    }

    /// The position of the last key that the next page's expression can name.
    fn last_that_can_be_continued_from(&self, keys: &KeyColumn) -> Option<usize> {
        (0..keys.len()).rev().find(|position| {
            keys.key(*position)
                .is_some_and(|key| self.scan.can_name(&key))
        })
    }

    fn grow(&mut self) {
        self.calm += 1;
        if self.calm >= PAGES_BEFORE_GROWTH && self.limit < LARGEST_PAGE {
            self.limit = (self.limit * 2).min(LARGEST_PAGE);
            self.calm = 0;
        }
    }
}

impl Scan {
    /// Whether the server's expressions can name a key. milvus-lite 2.x reads no escape for line breaks and
    /// takes no raw ones either (seen on 2.5.1).
    pub fn can_name(&self, key: &Key) -> bool {
        match key {
            Key::Int(_) => true,
            Key::Text(text) => {
                self.cluster.version().undoes_escapes() || !text.contains(['\n', '\r', '\t'])
            }
        }
    }
}
