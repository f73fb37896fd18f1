//! Walks a listing to its end, and notices when it has none.

use super::Workspace;
use super::error::ApiError;
use super::request::{Paging, Request};
use serde_json::Value;
use std::collections::HashSet;

/// Empty pages in a row, each with another token, after which a listing counts as endless. Real ones come in twos and threes.
const MOST_EMPTY: u32 = 1000;

/// Items after which a listing counts as endless: far beyond every limit of a workspace.
const MOST_ITEMS: u64 = 2_000_000;

/// Pages after which a listing counts as endless, however little each of them holds.
const MOST_PAGES: u64 = 50_000;

/// Where a walk stands.
struct Walk<'a> {
    request: &'a Request,
    paging: Paging,
    items: &'a str,
    tokens: HashSet<String>,
    seen: u64,
    page: u64,
    empty: u32,
    last: Vec<Value>,
}

/// What follows a page.
enum Next {
    End,
    /// The page came before and the whole list is known: the server knows no paging.
    Known,
    Ask(Vec<(&'static str, String)>),
}

impl Workspace {
    /// Hands every item of a listing to `each`, in the workspace's order, page by page; gives their number.
    ///
    /// `items` is the key of the list in the answer; a missing key is an empty list. An empty page with a token goes on.
    /// A token or a page that comes again is [`super::ErrorKind::Protocol`]: such a listing would never end.
    pub async fn pages(
        &self,
        request: &Request,
        paging: Paging,
        items: &str,
        mut each: impl FnMut(Value),
    ) -> Result<u64, ApiError> {
        let mut walk = Walk { request, paging, items, tokens: HashSet::new(), seen: 0, page: 1, empty: 0, last: Vec::new() };
        let mut query = walk.first();
        loop {
            let mut request = request.clone();
            request.query.extend(query.into_iter().map(|(name, value)| (name.to_owned(), value)));
            let mut answer = self.call(&request).await?;
            let page = walk.items_of(&mut answer)?;
            let next = walk.step(&answer, &page)?;
            if matches!(next, Next::Known) {
                return Ok(walk.seen);
            }
            page.into_iter().for_each(&mut each);
            match next {
                Next::End | Next::Known => return Ok(walk.seen),
                Next::Ask(more) => query = more,
            }
        }
    }
}

impl Walk<'_> {
    fn first(&self) -> Vec<(&'static str, String)> {
        match self.paging {
            Paging::None | Paging::Token { .. } => Vec::new(),
            Paging::Scim { count } => vec![("startIndex", "1".to_owned()), ("count", count.to_string())],
            Paging::Numbered { page_size } => vec![("page", "1".to_owned()), ("page_size", page_size.to_string())],
        }
    }

    fn items_of(&self, answer: &mut Value) -> Result<Vec<Value>, ApiError> {
        match answer.get_mut(self.items).map(Value::take) {
            None | Some(Value::Null) if answer.is_object() || answer.is_null() => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.wrong(&format!("the answer holds no list \"{}\"", self.items))),
        }
    }

    fn step(&mut self, answer: &Value, page: &[Value]) -> Result<Next, ApiError> {
        self.page += 1;
        self.seen += page.len() as u64;
        self.empty = if page.is_empty() { self.empty + 1 } else { 0 };
        if self.seen > MOST_ITEMS || self.empty > MOST_EMPTY || self.page > MOST_PAGES {
            let (seen, pages, empty) = (self.seen, self.page - 1, self.empty);
            return Err(self.wrong(&format!("the listing has no end: {seen} items on {pages} pages, the last {empty} empty")));
        }
        match self.paging {
            Paging::None => Ok(Next::End),
            Paging::Token { query, answer: key } => self.by_token(query, &answer[key], page),
            Paging::Scim { .. } | Paging::Numbered { .. } if page.is_empty() => Ok(Next::End),
            Paging::Scim { count } => self.by_index(answer["totalResults"].as_u64(), page, count),
            Paging::Numbered { page_size } => self.by_number(answer["count"].as_u64(), page, page_size),
        }
    }

    fn by_token(&mut self, query: &'static str, token: &Value, page: &[Value]) -> Result<Next, ApiError> {
        let token = match token {
            Value::Null => return Ok(Next::End),
            Value::String(token) if token.is_empty() => return Ok(Next::End),
            Value::String(token) => token.clone(),
            Value::Number(token) => token.to_string(),
            _ => return Err(self.wrong("the token for the next page is no text")),
        };
        if !self.tokens.insert(token.clone()) {
            return Err(self.wrong(&format!("the listing goes in circles: a page token came again after {} items", self.seen)));
        }
        if self.repeats(page) && !page.is_empty() {
            return Err(self.wrong(&format!("the listing goes in circles: a page came again after {} items", self.seen)));
        }
        Ok(Next::Ask(vec![(query, token)]))
    }

    /// A short page ends nothing; a page that repeats is the end where the total says so, since some servers know no paging.
    fn by_index(&mut self, total: Option<u64>, page: &[Value], count: u32) -> Result<Next, ApiError> {
        if self.repeats(page) {
            return self.circle(total, page.len() as u64);
        }
        Ok(Next::Ask(vec![("startIndex", (self.seen + 1).to_string()), ("count", count.to_string())]))
    }

    fn by_number(&mut self, total: Option<u64>, page: &[Value], page_size: u32) -> Result<Next, ApiError> {
        if self.repeats(page) {
            return self.circle(total, page.len() as u64);
        }
        if total.is_some_and(|total| self.seen >= total) {
            return Ok(Next::End);
        }
        Ok(Next::Ask(vec![("page", self.page.to_string()), ("page_size", page_size.to_string())]))
    }

    fn repeats(&mut self, page: &[Value]) -> bool {
        let repeats = self.last == page;
        self.last = page.to_vec();
        repeats
    }

    fn circle(&mut self, total: Option<u64>, again: u64) -> Result<Next, ApiError> {
        self.seen -= again;
        if total == Some(self.seen) {
            return Ok(Next::Known);
        }
        Err(self.wrong(&format!("the listing goes in circles: a page came again after {} items", self.seen)))
    }

    fn wrong(&self, message: &str) -> ApiError {
        ApiError::protocol(self.request, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_that_always_has_a_successor_is_left_in_the_end() {
        let request = Request::get("job", "/api/2.2/jobs/list");
        let (tokens, last) = (HashSet::new(), Vec::new());
        let mut walk = Walk { request: &request, paging: Paging::TOKEN, items: "jobs", tokens, seen: 0, page: 1, empty: 0, last };
        let pages = (0..).take_while(|page| walk.step(&json!({"next_page_token": page}), &[json!(page)]).is_ok());
        assert_eq!(pages.count() as u64, MOST_PAGES - 1);
    }
}
