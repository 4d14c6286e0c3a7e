//! Forms that another site sends: every way in which a browser can say where a form comes from, with every kind of form token.

use crate::jobs::transfer;
use crate::pages::Browser;
use crate::world::World;

/// The headers in which a browser says where a form comes from, and if they are our page's. `HOST` is this server.
const ORIGINS: [(&[(&str, &str)], bool); 18] = [
    (&[], true),
    (&[("sec-fetch-site", "same-origin")], true),
    (&[("sec-fetch-site", "same-origin"), ("origin", "http://HOST")], true),
    (&[("sec-fetch-site", "none")], true),
    (&[("origin", "http://HOST")], true),
    (&[("origin", "https://pay.example"), ("x-forwarded-host", "pay.example")], true),
    (&[("sec-fetch-site", "same-site")], false),
    (&[("sec-fetch-site", "same-site"), ("origin", "http://HOST")], false),
    (&[("sec-fetch-site", "cross-site")], false),
    (&[("sec-fetch-site", "cross-site"), ("origin", "null")], false),
    (&[("sec-fetch-site", "Same-Origin")], false),
    (&[("sec-fetch-site", "")], false),
    (&[("origin", "null")], false),
    (&[("origin", "")], false),
    (&[("origin", "https://evil.example")], false),
    (&[("origin", "http://HOST.evil.example")], false),
    (&[("origin", "http://evil.example:80@HOST")], false),
    (&[("origin", "HOST")], false),
];

/// The token of a form, and if it is this session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormToken {
    Own,
    OfAnotherSession,
    Empty,
    Absent,
}

const TOKENS: [FormToken; 4] = [FormToken::Own, FormToken::OfAnotherSession, FormToken::Empty, FormToken::Absent];

/// Every form behind a session. The last one ends it.
const FORMS: [&str; 5] = [
    "/jobs/main/transfer/T/cancel",
    "/queues/main/transfer/pause",
    "/quarantine/main/transfer/T/retry",
    "/quarantine/main/transfer/T/drop",
    "/sign-out",
];

fn with_origin(request: reqwest::RequestBuilder, origin: &[(&str, &str)], host: &str) -> reqwest::RequestBuilder {
    origin.iter().fold(request, |request, (name, value)| request.header(*name, value.replace("HOST", host)))
}

#[tokio::test]
async fn a_form_is_taken_from_our_page_with_its_own_token_only() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let other = Browser::signed_in(&server, &server.tokens.operator).await;
    let asking = browser.get("/jobs/main/transfer/T/cancel").await;
    let (own, foreign, seen) =
        (asking.field("form_token"), other.get("/").await.field("form_token").to_owned(), asking.field("seen"));
    let mut refused = 0;
    for path in FORMS {
        for (origin, is_ours) in ORIGINS {
            for token in TOKENS.into_iter().filter(|token| !(is_ours && *token == FormToken::Own)) {
                let mut fields = vec![("seen", seen), ("reason", "because")];
                match token {
                    FormToken::Own => fields.push(("form_token", own)),
                    FormToken::OfAnotherSession => fields.push(("form_token", &foreign)),
                    FormToken::Empty => fields.push(("form_token", "")),
                    FormToken::Absent => {}
                }
                let page = browser.answer(with_origin(browser.form(path, &fields), origin, &server.address)).await;
                assert_eq!(page.status, 403, "{path} {origin:?} {token:?}: {page:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, FORMS.len() * (ORIGINS.len() * TOKENS.len() - 6));
    assert_eq!(world.job("T").await["state"], "queued");
    assert!(
        server.read("/v1/queues").await["queues"].as_array().unwrap().iter().all(|queue| queue["paused"].is_null())
    );

    for (origin, _) in ORIGINS.into_iter().filter(|(_, is_ours)| *is_ours) {
        let fields = [("form_token", own), ("seen", seen), ("reason", "")];
        let page = browser.answer(with_origin(browser.form(FORMS[0], &fields), origin, &server.address)).await;
        assert_eq!(page.status, 422, "it is looked at: {origin:?}: {page:?}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn another_site_signs_no_one_in() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    let stranger = Browser::new(&server);
    let victim = Browser::signed_in(&server, &server.tokens.operator).await;
    for (origin, is_ours) in ORIGINS {
        for browser in [&stranger, &victim] {
            let form = browser.form("/sign-in", &[("token", &server.tokens.reader)]);
            let page = browser.answer(with_origin(form, origin, &server.address)).await;
            let expected = if is_ours { 303 } else { 403 };
            assert_eq!(page.status, expected, "{origin:?}: {page:?}");
            assert_eq!(page.header("set-cookie").is_empty(), !is_ours, "{origin:?}: {page:?}");
        }
    }
    victim.get("/").await.says("li · operator");
}

#[tokio::test]
async fn a_link_does_nothing() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let token = browser.get("/").await.field("form_token").to_owned();
    for path in FORMS {
        let page = browser.get(&format!("{path}?form_token={token}&reason=because")).await;
        assert_ne!(page.status, 303, "{path}: {page:?}");
    }
    assert_eq!(world.job("T").await["state"], "queued");
    assert_eq!(browser.get("/").await.status, 200, "a link signs no one out");
}
