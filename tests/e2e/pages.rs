//! A browser without scripts: pages that were read, forms that are sent.

use reqwest::header::{ACCEPT_LANGUAGE, COOKIE, HeaderMap};
use reqwest::{Client, redirect};

use crate::server::Server;
use crate::world::SOON;

/// A page, or what was answered instead.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The first value of a form's hidden field of this name.
    pub(crate) fn field(&self, name: &str) -> &str {
        let begin = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&begin).unwrap_or_else(|| panic!("no field {name} in {}", self.text)).1;
        rest.split('"').next().unwrap()
    }

    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not said: {} {}", self.status, self.text);
        self
    }

    pub(crate) fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is said: {}", self.text);
        self
    }
}

/// Somebody with a browser.
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) address: String,
    pub(crate) cookie: String,
    pub(crate) language: &'static str,
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        let client = Client::builder().timeout(SOON).redirect(redirect::Policy::none()).build().unwrap();
        Self { client, address: format!("http://{}", server.address), cookie: String::new(), language: "en" }
    }

    /// Signed in by this token.
    pub(crate) async fn signed_in(server: &Server, token: &str) -> Self {
        let mut browser = Self::new(server);
        let page = browser.post("/sign-in", &[("token", token), ("to", "/")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/"), "{page:?}");
        browser.cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        browser
    }

    pub(crate) async fn answer(&self, request: reqwest::RequestBuilder) -> Page {
        let request = request.header(COOKIE, &self.cookie).header(ACCEPT_LANGUAGE, self.language);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.answer(self.client.get(format!("{}{path}", self.address))).await
    }

    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = self.client.post(format!("{}{path}", self.address));
        request.header("content-type", "application/x-www-form-urlencoded").body(form.finish())
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.answer(self.form(path, fields)).await
    }

    /// Opens an act's page and does what it says, with this reason and further fields.
    pub(crate) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> Page {
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
