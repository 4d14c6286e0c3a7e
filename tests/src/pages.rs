//! A browser without scripts: pages that were read, forms that are sent.

use reqwest::header::{ACCEPT_LANGUAGE, COOKIE, HeaderMap};
use reqwest::{Client, redirect};

use crate::api::Api;
use crate::wait::SOON;

/// A page, or what was answered instead.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Page {
    /// A header's text, "" where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The first value of a form's hidden field of this name.
    pub fn field(&self, name: &str) -> &str {
        let begin = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&begin).unwrap_or_else(|| panic!("no field {name} in {}", self.text)).1;
        rest.split('"').next().unwrap()
    }

    /// Checks that the text is on the page.
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not said: {} {}", self.status, self.text);
        self
    }

    /// Checks that the text is not on the page.
    pub fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is said: {}", self.text);
        self
    }
}

/// A person with a browser.
#[derive(Debug)]
pub struct Browser {
    /// The client of its requests.
    pub client: Client,
    /// The server's address.
    pub address: String,
    /// The cookies that it has.
    pub cookie: String,
    /// The languages that it accepts.
    pub language: &'static str,
}

impl Browser {
    /// Not signed in.
    pub fn new(server: &Api) -> Self {
        let client = Client::builder().timeout(SOON).redirect(redirect::Policy::none()).build().unwrap();
        Self { client, address: format!("http://{}", server.address), cookie: String::new(), language: "en" }
    }

    /// Signed in by this token.
    pub async fn signed_in(server: &Api, token: &str) -> Self {
        let mut browser = Self::new(server);
        let page = browser.post("/sign-in", &[("token", token), ("to", "/")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/"), "{page:?}");
        browser.cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        browser
    }

    /// Sends a request with the browser's cookies.
    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Page {
        let request = request.header(COOKIE, &self.cookie).header(ACCEPT_LANGUAGE, self.language);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page { status, headers, text: response.text().await.unwrap() }
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> Page {
        self.answer(self.client.get(format!("{}{path}", self.address))).await
    }

    /// A form with these fields, not sent yet.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = self.client.post(format!("{}{path}", self.address));
        request.header("content-type", "application/x-www-form-urlencoded").body(form.finish())
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.answer(self.form(path, fields)).await
    }

    /// Opens an act's page and does what it says, with this reason and further fields.
    pub async fn act(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let asking = self.get(path).await;
        assert_eq!(asking.status, 200, "{asking:?}");
        let mut all = vec![("form_token", asking.field("form_token"))];
        if asking.text.contains("name=\"seen\"") {
            all.push(("seen", asking.field("seen")));
        }
        all.extend(fields);
        self.post(path, &all).await
    }
}
