//! The events that a client follows.

use serde_json::Value;

use crate::api::Api;
use crate::wait::SOON;

/// One event: its id, its name, its data.
pub type Event = (String, String, Value);

/// The events that a client sees, from its request on.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    /// Follows from behind the event of id `last`, or from now on.
    pub async fn of(server: &Api, query: &str, last: Option<&str>) -> Self {
        let request = server.request("GET", &format!("/v1/events{query}"), &server.tokens.reader);
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Self { response, text: String::new() };
        // The place from which it follows comes first, and so it is there before anything happens.
        assert!(events.block().await.is_some_and(|block| block.contains("retry: ")));
        events
    }

    /// The next block of lines; `None` when the stream has ended.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(SOON, self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = line("data: ") {
                let (id, name) = (line("id: ").unwrap_or_default(), line("event: ").unwrap_or_default());
                return (id, name, serde_json::from_str(&data).expect("data is JSON"));
            }
        }
    }

    /// The next so many.
    pub async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.next().await);
        }
        events
    }
}
