//! Lists in pages, as Signal's Management API has them: `?cursor=&limit=` in, `{"data", "next_cursor", "has_more"}` out.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use base64::engine::{Engine, general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::console::Shared;
use crate::web::ApiError;

/// How many items a page has, unless one asks for another number.
const USUAL: usize = 50;
/// How many it has at most.
const MOST: usize = 100;

/// Which page of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next_cursor` of the page before; absent: the first page.
    cursor: Option<String>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<usize>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// The `cursor` of the next page; `null`: there is none.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

impl Paging {
    /// Returns how many items are asked for.
    pub fn limit(&self) -> Result<usize, ApiError> {
        match self.limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(limit),
            _ => Err(ApiError::malformed(format!("limit: expected 1 to {MOST}"))),
        }
    }

    /// Returns what the cursor stands for; `None`: there is none, so it is the first page.
    pub fn after(&self) -> Result<Option<String>, ApiError> {
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else {
            return Ok(None);
        };
        let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Some).ok_or_else(bad_cursor)
    }

    /// The same for a list whose cursor is a number.
    pub fn after_number<N: std::str::FromStr>(&self) -> Result<Option<N>, ApiError> {
        self.after()?.map(|text| text.parse().map_err(|_| bad_cursor())).transpose()
    }
}

fn bad_cursor() -> ApiError {
    ApiError::malformed("cursor: expected next_cursor of another page, as it is")
}

impl<T> Page<T> {
    /// Makes a page of `limit` items of a list from which one more was read. `cursor` returns what stands for an item.
    pub fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(cursor(last)));
        Self { data: items, next_cursor, has_more }
    }

    /// Makes a page of a whole list. `key` returns what is unique to an item.
    pub fn slice(items: Vec<T>, paging: &Paging, key: impl Fn(&T) -> &str) -> Result<Self, ApiError> {
        let limit = paging.limit()?;
        let start = match paging.after()? {
            None => 0,
            Some(cursor) => {
                let (index, last) = cursor.split_once(' ').ok_or_else(bad_cursor)?;
                let index: usize = index.parse().map_err(|_| bad_cursor())?;
                // An item that is gone has made room for the one behind it.
                items.iter().position(|item| key(item) == last).map_or(index, |found| found.saturating_add(1))
            }
        };
        let indexed = items.into_iter().enumerate().skip(start).take(limit.saturating_add(1)).collect();
        let page = Page::of(indexed, limit, |(index, item)| format!("{index} {}", key(item)));
        let data = page.data.into_iter().map(|(_, item)| item).collect();
        Ok(Self { data, next_cursor: page.next_cursor, has_more: page.has_more })
    }

    /// Returns the page with each item changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let data = self.data.into_iter().map(change).collect();
        Page { data, next_cursor: self.next_cursor, has_more: self.has_more }
    }
}

/// Parameters of a query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, ApiError> {
        let read = Query::<T>::from_request_parts(parts, console).await;
        read.map(|Query(asked)| Self(asked)).map_err(|rejection| ApiError::malformed(rejection.body_text()))
    }
}

/// A part of the path: an id or a number.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, ApiError> {
        let read = Path::<T>::from_request_parts(parts, console).await;
        read.map(|Path(named)| Self(named)).map_err(|rejection| ApiError::malformed(rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[&str], cursor: Option<&str>, limit: Option<usize>) -> Result<Page<String>, ApiError> {
        let items = items.iter().map(|item| (*item).to_owned()).collect();
        Page::slice(items, &Paging { cursor: cursor.map(str::to_owned), limit }, |item| item)
    }

    #[test]
    fn the_pages_of_a_list_are_the_list() {
        let items = ["a", "b", "c", "d", "e"];
        let first = page(&items, None, Some(2)).unwrap();
        assert_eq!((first.data, first.has_more), (vec!["a".to_owned(), "b".to_owned()], true));
        let second = page(&items, first.next_cursor.as_deref(), Some(2)).unwrap();
        let third = page(&items, second.next_cursor.as_deref(), Some(2)).unwrap();
        assert_eq!((third.data, third.has_more, third.next_cursor), (vec!["e".to_owned()], false, None));
        let whole = page(&items, Some(""), Some(5)).unwrap();
        assert!(!whole.has_more);
    }

    #[test]
    fn an_item_that_goes_between_two_pages_hides_none_of_the_others() {
        let first = page(&["a", "b", "c", "d"], None, Some(2)).unwrap();
        for left in [&["a", "c", "d"][..], &["b", "c", "d"]] {
            let second = page(left, first.next_cursor.as_deref(), Some(2)).unwrap();
            assert_eq!(second.data, ["c", "d"]);
        }
    }

    #[test]
    fn what_is_no_cursor_or_limit_is_refused() {
        for cursor in ["%", "YQ", "eCB5", "////"] {
            assert!(page(&["a"], Some(cursor), None).is_err(), "{cursor}");
        }
        for limit in [0, 101] {
            assert!(page(&["a"], None, Some(limit)).is_err());
        }
    }
}
