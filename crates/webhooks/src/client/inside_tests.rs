//! URLs by which a producer tries to reach what only this machine or its network can reach.

use std::time::Duration;

use bursar_http_client::Trust;
use tokio::net::TcpListener;

use super::*;

/// URLs that name this machine or another inside, in each way that a parser or a resolver may take. PORT listens.
const INSIDE: [&str; 41] = [
    "http://127.0.0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "  http://127.0.0.1:PORT/",
    "http://127.9.9.9:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST.:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://127.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://①②⑦.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://user:pass@127.0.0.1:PORT/",
    "http://shop.example@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@shop.example/",
    "http://127.0.0.1:PORT\\@shop.example/",
    "http:\\\\127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "ht\ntp://127.0.0.1:PORT/",
    "http://[::]:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://[fe80::1]:PORT/",
    "http://10.0.0.1:PORT/",
];

/// Texts that no client should take for the URL of a receiver.
const NO_RECEIVERS: [&str; 11] = [
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_X",
    "javascript:alert(1)",
    "data:text/plain,x",
    "unix:/run/redis.sock",
    "http://",
    "http://127.0.0.1:99999/",
    "http://[::1%25lo]/",
    "http://[fe80::1%eth0]/",
    "http://exa mple/",
];

struct Scene {
    port: u16,
    listener: TcpListener,
}

impl Scene {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { port: listener.local_addr().unwrap().port(), listener }
    }

    fn client(&self, allowed: &[&str]) -> WebhookClient {
        let entry = |text: &&str| text.replace("PORT", &self.port.to_string()).parse().unwrap();
        let settings = Settings {
            secrets: Secrets::default(),
            allowed: Allowed::new(allowed.iter().map(entry).collect()),
            trust: Trust::System,
            timeout: Duration::from_secs(5),
            retry_for: Duration::ZERO,
            concurrency: 1,
        };
        WebhookClient::new(&settings, watch::channel(Secrets::default()).1).unwrap()
    }

    /// The response to a message to this URL; `None` where it is no URL, which submission refuses.
    async fn post(&self, client: &WebhookClient, url: &str) -> Option<DeliveryResponse> {
        let url: Url = url.replace("PORT", &self.port.to_string()).parse().ok()?;
        Some(client.post(&url, Message::default(), None, 0).await)
    }

    /// True if any client has connected.
    async fn was_reached(&self) -> bool {
        let accepted = tokio::time::timeout(Duration::ZERO, self.listener.accept()).await;
        accepted.is_ok()
    }
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_is_reached() {
    let scene = Scene::new().await;
    // A network, a port and a host that are allowed permit no other network, port or host.
    for allowed in [&[][..], &["10.20.0.0/16:*"], &["127.0.0.1:1"], &["127.0.0.1"]] {
        let client = scene.client(allowed);
        for url in INSIDE.iter().flat_map(|url| [(*url).to_owned(), url.replacen("http", "https", 1)]) {
            match scene.post(&client, &url).await {
                None | Some(DeliveryResponse::Nothing(DeliveryError::AddressNotAllowed)) => {}
                // A name with a dot at its end, which not every resolver knows.
                Some(DeliveryResponse::Nothing(DeliveryError::CannotConnect)) if url.contains("LOCALHOST.") => {}
                response => panic!("{allowed:?} {url:?}: {response:?}"),
            }
        }
    }
    assert!(!scene.was_reached().await);
}

#[tokio::test]
async fn a_text_that_names_no_receiver_is_not_tried() {
    let scene = Scene::new().await;
    let client = scene.client(&["127.0.0.0/8:*"]);
    for url in NO_RECEIVERS {
        let response = scene.post(&client, url).await;
        let refused = Some(DeliveryResponse::Nothing(DeliveryError::AddressNotAllowed));
        assert!(response.is_none() || response == refused, "{url:?}: {response:?}");
    }
    assert!(!scene.was_reached().await);
}

/// The other tests' listener can be reached: it is the rule that keeps clients from it.
#[tokio::test]
async fn the_named_address_is_reached_at_its_port() {
    for (allowed, url) in [
        (["127.0.0.1:PORT"], "http://127.0.0.1:PORT/"),
        (["127.0.0.0/8:*"], "http://localhost:PORT/"),
        (["127.0.0.1:PORT"], "http://2130706433:PORT/"),
    ] {
        let scene = Scene::new().await;
        let client = scene.client(&allowed);
        let (_, accepted) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(500), scene.post(&client, url)),
            tokio::time::timeout(Duration::from_secs(5), scene.listener.accept()),
        );
        assert!(accepted.is_ok(), "{allowed:?} {url}");
    }
}
