//! The dashboard in a real browser: headless Chromium, driven through chromedriver. `./x test` leaves this out, for a machine
//! need not have a browser; `.ci/run` runs it. Asked for and without a browser, it fails.

mod hostile;

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use bursar_test_support::notifications::{BILLS, METHOD, credit, post, signed, stamp, success};
use bursar_test_support::{Answer, Process, Receiver};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::jobs::{bill, having, split, transfer, transfers, with};
use crate::notifications::{app_id, trust};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// A page that has loaded.
const LOOK: Duration = Duration::from_millis(50);

/// A browser, and the driver that it ends with.
struct Browser {
    client: Client,
    address: String,
    _driver: Process,
}

/// On what a page is looked at.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    language: &'static str,
    /// CSS pixels.
    size: (u32, u32),
    is_dark: bool,
}

/// A desk and a phone, by day and by night, in both languages.
const DESK: Look = Look { name: "desk", language: "en", size: (1280, 900), is_dark: false };
const LOOKS: [Look; 4] = [
    DESK,
    Look { name: "desk-dark-zh", language: "zh-CN", is_dark: true, ..DESK },
    Look { name: "phone-zh", language: "zh-CN", size: PHONE, ..DESK },
    Look { name: "phone-dark", size: PHONE, is_dark: true, ..DESK },
];
const PHONE: (u32, u32) = (390, 844);

impl Browser {
    async fn open(server: &Server, look: Look) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let driver = Process::start("chromedriver", command);
        let line = driver.wait_line(SOON, "its port", |line| line.contains("started successfully on port")).await;
        let port = line.trim_end_matches('.').rsplit(' ').next().unwrap().to_owned();
        let (width, height) = look.size;
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--lang={}", look.language),
            format!("--window-size={width},{height}"),
            format!("--blink-settings=preferredColorScheme={}", u8::from(!look.is_dark)),
        ];
        let mut options = json!({"args": arguments, "prefs": {"intl.accept_languages": look.language}});
        if look.size == PHONE {
            let metrics = json!({"width": width, "height": height, "pixelRatio": 2, "touch": true});
            options["mobileEmulation"] = json!({"deviceMetrics": metrics});
        }
        let wanted: Value = json!({"goog:chromeOptions": options});
        let Value::Object(wanted) = wanted else { unreachable!() };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts Chromium: install chromium and chromium-driver");
        Self { client, address: format!("http://{}", server.address), _driver: driver }
    }

    async fn goto(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.address)).await.unwrap();
    }

    async fn find(&self, selector: &str) -> Element {
        self.client
            .wait()
            .at_most(SOON)
            .every(LOOK)
            .for_element(Locator::Css(selector))
            .await
            .unwrap_or_else(|error| panic!("{selector} is not on the page: {error}"))
    }

    /// Opens the page again until this is on it: an open page does not reload by itself for everything.
    async fn until_shown(&self, path: &str, selector: &str) {
        bursar_test_support::eventually(SOON, &format!("{selector} to be on {path}"), async || {
            self.goto(path).await;
            self.client.find(Locator::Css(selector)).await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits until the element there says this.
    async fn says(&self, selector: &str, text: &str) {
        bursar_test_support::eventually(SOON, &format!("{selector} to say {text:?}"), async || {
            let said = match self.client.find(Locator::Css(selector)).await {
                Ok(element) => element.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if said.contains(text) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    async fn write(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    async fn sign_in(&self, token: &str) {
        self.goto("/").await;
        self.write("#token", token).await;
        self.click("button.main").await;
        self.find(".totals").await;
    }

    /// The browser has taken style and script, which the page's policy must allow.
    async fn is_dressed(&self) {
        let look = "return [getComputedStyle(document.querySelector('header')).display, document.querySelector('.live').hidden]";
        let found = self.client.execute(look, vec![]).await.unwrap();
        assert_eq!(found, json!(["flex", false]), "the page's style and script were refused");
    }

    /// Nothing is wider than the page: no one scrolls sideways on a phone.
    async fn fits(&self, page: &str) {
        let look = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let found = self.client.execute(look, vec![]).await.unwrap();
        assert!(found[0].as_u64() <= found[1].as_u64(), "{page} is wider than its window: {found}");
    }

    /// Keeps a picture of the whole page where the environment names a folder for pictures.
    async fn whole_picture(&self, name: &str, look: Look) {
        if std::env::var_os("BURSAR_PICTURES").is_none() {
            return;
        }
        if look.size != PHONE {
            self.client.set_window_size(look.size.0, look.size.1).await.unwrap();
            let height = self.client.execute("return document.documentElement.scrollHeight", vec![]).await.unwrap();
            let height = u32::try_from(height.as_u64().unwrap()).unwrap().max(look.size.1);
            self.client.set_window_size(look.size.0, height + 140).await.unwrap();
        }
        self.picture(&format!("{name}-{}", look.name)).await;
    }

    /// Keeps a picture where the environment names a folder for pictures.
    async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("BURSAR_PICTURES") {
            let path = std::path::Path::new(&folder).join(format!("{name}.png"));
            std::fs::write(path, self.client.screenshot().await.unwrap()).unwrap();
        }
    }

    async fn close(self) {
        self.client.close().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; .ci/run installs them and runs this"]
async fn an_operator_signs_in_resolves_a_job_and_pauses_a_queue() {
    let world = Plan::new().both("on_ambiguous", "hold").start().await;
    let _worker = world.worker().await;
    world.in_review("1001XP2025010110000001").await;
    let server = world.serve().await;
    let browser = Browser::open(&server, DESK).await;
    browser.goto("/").await;
    browser.picture("sign-in").await;
    browser.sign_in(&server.tokens.operator).await;
    browser.find(".live[data-state=on]").await;
    browser.is_dressed().await;

    browser.write("input[name=key]", "1001XP2025010110000001").await;
    browser.click(".search button").await;
    browser.says("h1", "1001XP2025010110000001").await;
    browser.says(".timeline", "Send →").await;
    browser.says(".timeline", "no response").await;
    browser.says(".content", "****9a").await;
    browser.picture("job").await;

    browser.click("nav a[href='/review']").await;
    browser.says(".queue", "1001XP2025010110000001").await;
    browser.picture("review").await;
    browser.click(".queue a[data-act=resolve]").await;
    browser.says(".does", "Closes the job").await;
    browser.click("input[value=succeeded]").await;
    browser.write("#reason", "seen on the bank statement").await;
    browser.picture("resolve").await;
    browser.click("button.main").await;
    browser.says("h1", "succeeded").await;
    browser.says(".timeline", "li Resolve: seen on the bank statement").await;
    assert_eq!(world.job("1001XP2025010110000001").await["state"], "succeeded");

    browser.click("nav a[href='/']").await;
    browser.click("tr[data-queue='main/transfer'] a[data-act=pause]").await;
    browser.write("#reason", "the gateway announced maintenance").await;
    browser.click("button.main").await;
    browser.says("tr[data-queue='main/transfer']", "li: the gateway announced maintenance").await;
    let queues = world.ok(&["queues"]).await;
    assert!(queues.contains("PAUSED: li: the gateway announced maintenance"), "{queues}");
    browser.picture("queues").await;

    // The page shows the change by itself.
    browser.find(".live[data-state=on]").await;
    world.submit_new(&[transfer("LATER")]).await;
    world.ok(&["resume", "main/transfer", "--reason", "it is over"]).await;
    browser.says("tr[data-queue='main/transfer'] .flag", "Active").await;
    browser.click(".who button").await;
    browser.find("#token").await;
    browser.goto("/").await;
    browser.find("#token").await;
    browser.close().await;
    world.settled().await;
    world.books_agree().await;
}

/// A world in which something has happened of everything that a page shows.
async fn eventful() -> (World, Server, Receiver) {
    let world = Plan::new().both("on_ambiguous", "hold").set("webhooks.allow", vec!["127.0.0.1:*"]).start().await;
    let statuses = Mutex::new(vec![503]);
    let receiver = Receiver::start(move |_| Answer::Status(statuses.lock().unwrap().pop().unwrap_or(200))).await;
    let worker = world.worker().await;
    world.life("REFUSED", "0").await;
    let delivered = having(
        with(transfer("DELIVERED"), "total_amount", json!(123_456)),
        "callback_url",
        json!(receiver.url("hook")),
    );
    world.submit_new(&[delivered, transfer("REFUSED"), bill("BILL", "order-7")]).await;
    world.submit_new(&transfers("T", 40)).await;
    world.submit_new(&[split("SPLIT", "order-9")]).await;
    world.settled().await;
    world.in_review("1001XP2025010110000001").await;
    worker.terminate();
    worker.finished(SOON).await;
    world.ok(&["pause", "shop/split", "--reason", "the gateway announced maintenance until 06:00"]).await;
    trust(&world);
    world.set("accounts.main.notify_callback_url", toml::Value::from(receiver.url("credits")));
    let server = world.serve().await;
    let app = app_id(&world);
    let named = signed(&app, BILLS, "{\"order_id\":\"order-7\"}", &stamp(0));
    for body in [("6", -20), ("1", -10), ("0", -1)]
        .map(|(status, minutes)| signed(&app, METHOD, &credit("20250601000000001234", status), &stamp(minutes)))
        .into_iter()
        .chain([named])
    {
        assert_eq!(post(&server, &body).await, success());
    }
    let unread = signed(&app, "bkfunds.unheard.of.notify", &credit("r9", "6"), &stamp(0));
    assert_eq!(post(&server, &unread).await.0, 422);
    (world, server, receiver)
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; .ci/run installs them and runs this"]
async fn every_page_fits_each_screen_theme_and_language() {
    let (world, server, _receiver) = eventful().await;
    let pages = [
        ("queues", "/", ".totals"),
        ("jobs", "/jobs?queue=main%2Ftransfer", "table.jobs"),
        ("delivered-job", "/jobs/main/transfer/DELIVERED", "[data-event=delivery][data-tone=good]"),
        ("named-job", "/jobs/main/bill_upload/BILL", "a[href='/notifications/main/4']"),
        ("review", "/review", ".queue"),
        ("send", "/jobs/main/transfer/1001XP2025010110000001/send", ".does"),
        ("notifications", "/notifications", "tr[data-outcome=held]"),
        ("notification", "/notifications/main/3", "[data-event=delivery]"),
        ("held-notification", "/notifications/main/5", ".notice"),
        ("charts", "/charts", ".line"),
        ("proposals", "/proposals", "main h1"),
        ("audit", "/audit", "table.audit"),
        ("quarantine", "/quarantine", "main h1"),
        ("webhooks", "/webhooks", "main .notice.good"),
        ("report", "/report", "main h1"),
        ("workers", "/workers", "main h1"),
        ("missing", "/no-such-page", "main h1"),
    ];
    for look in LOOKS {
        let browser = Browser::open(&server, look).await;
        browser.sign_in(&server.tokens.operator).await;
        let language = browser.client.execute("return document.documentElement.lang", vec![]).await.unwrap();
        assert_eq!(language, look.language, "{}", look.name);
        let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
        assert_eq!(browser.client.execute(is_dark, vec![]).await.unwrap(), look.is_dark, "{}", look.name);
        for (name, path, shown) in pages {
            browser.until_shown(path, shown).await;
            browser.fits(&format!("{name} at the {}", look.name)).await;
            browser.whole_picture(name, look).await;
        }
        browser.goto("/review").await;
        browser.click("input.tick").await;
        browser.click(".many button[value=selected]").await;
        browser.says("tr[data-effect=done]", "1001XP2025010110000001").await;
        browser.fits(&format!("preview at the {}", look.name)).await;
        browser.whole_picture("preview", look).await;
        browser.click("footer [data-opens=help]").await;
        browser.find("dialog[open] .keys").await;
        browser.picture(&format!("keys-{}", look.name)).await;
        browser.close().await;
    }
    world.books_agree().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; .ci/run installs them and runs this"]
async fn a_renewed_page_keeps_what_its_reader_did() {
    let world = Plan::new().both("on_ambiguous", "hold").start().await;
    let server = world.serve().await;
    world.submit_new(&transfers("T", 30)).await;
    let browser = Browser::open(&server, DESK).await;
    browser.sign_in(&server.tokens.operator).await;

    // Keys: to the jobs, to the second row, tick it.
    let press = async |keys: &str| browser.find("body").await.send_keys(keys).await.unwrap();
    press("gj").await;
    browser.says("h1", "Jobs").await;
    browser.goto("/jobs?queue=main%2Ftransfer").await;
    browser.find("table.jobs").await;
    browser.find(".live[data-state=on]").await;
    press("jjx").await;
    browser.says("[data-selected]", "1 selected").await;
    let ticked = "return [document.querySelector('input.tick:checked').value, document.activeElement.getAttribute('href'), \
                  Number(document.body.dataset.renewed || 0)]";
    let before = browser.client.execute(ticked, vec![]).await.unwrap();
    browser.client.execute("window.scrollTo(0, 300)", vec![]).await.unwrap();

    world.submit_new(&[transfer("NEW")]).await;
    world.ok(&["pause", "main/transfer", "--reason", "a test"]).await;
    bursar_test_support::eventually(SOON, "the page to be renewed", async || {
        let now = browser.client.execute(ticked, vec![]).await.unwrap();
        if now[2].as_u64() > before[2].as_u64() { Ok(()) } else { Err(now) }
    })
    .await;
    let after = browser.client.execute(ticked, vec![]).await.unwrap();
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]), "the box and the focus stay");
    browser.says("[data-selected]", "1 selected").await;

    // One zone for all times of a page, which its foot names.
    browser.goto("/zone?name=Asia/Shanghai&to=/jobs/main/transfer/NEW").await;
    browser.says("footer [data-zone-name]", "Asia/Shanghai (UTC+08:00)").await;
    let times = "return [...document.querySelectorAll('main time')].map((time) => [time.dateTime, time.textContent])";
    let times = browser.client.execute(times, vec![]).await.unwrap();
    let times = times.as_array().unwrap();
    assert!(!times.is_empty());
    for time in times {
        let (stamp, shown) = (time[0].as_str().unwrap(), time[1].as_str().unwrap());
        let hour = |text: &str| text[11..13].parse::<u32>().unwrap();
        assert_eq!(hour(shown), (hour(stamp) + 8) % 24, "{time}");
    }
    let precise =
        browser.client.execute("return document.querySelector('.timeline time').textContent", vec![]).await.unwrap();
    assert_eq!(precise.as_str().map(str::len), Some("2026-01-01 08:00:00.000".len()), "{precise}");
    press("?").await;
    browser.says("dialog[open]", "Keyboard shortcuts").await;
    browser.close().await;
    world.books_agree().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; .ci/run installs them and runs this"]
async fn a_reader_follows_a_job_to_its_notification_and_back() {
    let (_world, server, _receiver) = eventful().await;
    let browser = Browser::open(&server, DESK).await;
    browser.sign_in(&server.tokens.reader).await;
    browser.click("a[href='/notifications?account=main&held=true']").await;
    browser.says("table.notifications", "its method is not one that notify_methods expects").await;
    browser.click("nav a[href='/jobs']").await;
    browser.write("input[name=key]", "BILL").await;
    browser.click(".search button").await;
    browser.click(".timeline [data-event=notification] a").await;
    browser.says("h1", "main 4").await;
    browser.click(".facts a[href='/jobs/main/bill_upload/BILL']").await;
    browser.says("h1", "BILL").await;
    browser.goto("/notifications/main/1").await;
    browser.says(".versions", "version 3").await;
    browser.click(".versions a[href='/notifications/main/3']").await;
    browser.says(".outcome", "regressed").await;
    browser.says(".timeline", "Delivered").await;
    browser.says(".content", "****0123").await;
    let text = browser.client.execute("return document.body.innerText", vec![]).await.unwrap().to_string();
    assert!(!text.contains("小明") && !text.contains("6222021234567890123"), "{text}");
    browser.click("nav a[href='/charts']").await;
    browser.find("path.line").await;
    browser.close().await;
}
