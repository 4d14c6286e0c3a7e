//! Addresses to return to: none leads to another site, however it is written.

use reqwest::Url;

use crate::pages::Browser;
use crate::world::World;

/// Addresses of other sites, and forms that a browser could take for one.
const ELSEWHERE: [&str; 30] = [
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http://evil.example/jobs",
    "HTTPS://EVIL.EXAMPLE",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    " https://evil.example",
    "\u{0}//evil.example",
    "/\u{0}/evil.example",
    "/jobs\r\nLocation: https://evil.example",
    "/jobs\r\nSet-Cookie: bursar_session=x",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "mailto:x@evil.example",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "?//evil.example",
    "/\u{ff0f}evil.example",
    "/\u{2028}/evil.example",
];

/// Addresses of ours that are written strangely.
const HERE: [&str; 8] = [
    "/jobs?queue=main%2Ftransfer",
    "/.//evil.example",
    "/..//evil.example",
    "/%2F/evil.example",
    "/%5Cevil.example",
    "/@evil.example",
    "/jobs#//evil.example",
    "/jobs?to=https://evil.example",
];

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Checks that a browser that follows this location stays here.
fn stays(browser: &Browser, location: &str, given: &str) {
    let base = Url::parse(&browser.address).unwrap();
    let target = base.join("/sign-in").unwrap().join(location).unwrap();
    assert_eq!(target.origin(), base.origin(), "{given:?} leads to {target}");
}

#[tokio::test]
async fn the_address_after_signing_in_is_ours() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    for (forms, is_kept) in [(&ELSEWHERE[..], false), (&HERE[..], true)] {
        for to in forms {
            let page = browser.post("/sign-in", &[("token", &server.tokens.reader), ("to", to)]).await;
            assert_eq!(page.status, 303, "{to:?}: {page:?}");
            stays(&browser, page.header("location"), to);
            let trimmed = if is_kept { to } else { "/" };
            // A form's fields are trimmed, and what is left may be an address of ours.
            assert!(page.header("location") == trimmed, "{to:?}: {page:?}");
            let asking = browser.get(&format!("/sign-in?to={}", encoded(to))).await;
            assert_eq!(asking.status, 200, "{to:?}: {asking:?}");
            stays(&browser, &asking.field("to").replace("&amp;", "&"), to);
        }
    }
}

#[tokio::test]
async fn the_address_after_choosing_a_language_is_ours() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    for to in ELSEWHERE.iter().chain(&HERE) {
        let page = browser.get(&format!("/language/zh?to={}", encoded(to))).await;
        assert_eq!(page.status, 303, "{to:?}: {page:?}");
        stays(&browser, page.header("location"), to);
    }
}

#[tokio::test]
async fn the_way_to_the_sign_in_leads_back_to_us() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    for path in [
        "/jobs?key=//evil.example",
        "/jobs?queue=https://evil.example&state=%0d%0aX:%20y",
        "/review?%5c%5cevil.example",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 303, "{path}: {page:?}");
        let location = page.header("location");
        stays(&browser, location, path);
        let asking = browser.get(location).await;
        stays(&browser, &asking.field("to").replace("&amp;", "&"), path);
    }
}
