//! The dashboard in a real browser: headless Chromium, driven through chromedriver. `./x test` leaves this out, for a machine
//! need not have a browser; `.ci/run` runs it. Asked for and without a browser, it fails.

use std::process::Command;
use std::time::Duration;

use bursar_test_support::Process;
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::server::Server;
use crate::world::SOON;

/// How a page that is complete is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// A browser, and the driver that it ends with.
struct Browser {
    client: Client,
    address: String,
    _driver: Process,
}

impl Browser {
    async fn open(server: &Server, options: &[&str]) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let driver = Process::start("chromedriver", command);
        let line = driver.wait_line(SOON, "its port", |line| line.contains("started successfully on port")).await;
        let port = line.trim_end_matches('.').rsplit(' ').next().unwrap().to_owned();
        let mut arguments = vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        arguments.extend(options);
        let wanted: Value = json!({"goog:chromeOptions": {"args": arguments}});
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
        self.says("h1", "Lanes").await;
    }

    /// The browser has taken style and script, which the page's policy must allow.
    async fn is_dressed(&self) {
        let look = "return [getComputedStyle(document.querySelector('header')).display, document.querySelector('.live').hidden]";
        let found = self.client.execute(look, vec![]).await.unwrap();
        assert_eq!(found, json!(["flex", false]), "the page's style and script were refused");
    }

    /// Keeps a picture where the environment asks for pictures.
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
async fn browser_an_operator_signs_in_finds_a_job_reads_it_resolves_it_and_pauses_a_lane() {
    let world = Plan::new().both("on_ambiguous", "hold").start().await;
    let _worker = world.worker().await;
    world.in_review("1001XP2025010110000001").await;
    let server = world.serve().await;
    let browser = Browser::open(&server, &["--lang=en", "--window-size=1280,900"]).await;
    browser.goto("/").await;
    browser.picture("sign-in").await;
    browser.sign_in(&server.tokens.operator).await;
    browser.find(".live[data-state=on]").await;
    browser.is_dressed().await;

    browser.write("input[name=key]", "1001XP2025010110000001").await;
    browser.click(".search button").await;
    browser.says("h1", "1001XP2025010110000001").await;
    browser.says(".timeline", "About to be sent").await;
    browser.says(".timeline", "no answer").await;
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
    browser.click("tr[data-lane='main/transfer'] a[data-act=pause]").await;
    browser.write("#reason", "the gateway announced maintenance").await;
    browser.click("button.main").await;
    browser.says("tr[data-lane='main/transfer']", "li: the gateway announced maintenance").await;
    let lanes = world.ok(&["lanes"]).await;
    assert!(lanes.contains("PAUSED by li: the gateway announced maintenance"), "{lanes}");
    browser.picture("lanes").await;

    // What happens meanwhile is seen without anybody's doing.
    browser.find(".live[data-state=on]").await;
    world.submit_new(&[transfer("LATER")]).await;
    world.ok(&["resume", "main/transfer", "--reason", "it is over"]).await;
    browser.says("tr[data-lane='main/transfer'] .flag", "goes on").await;
    browser.click(".who button").await;
    browser.find("#token").await;
    browser.goto("/").await;
    browser.find("#token").await;
    browser.close().await;
    world.settled().await;
    world.books_agree().await;
}
