//! The proxies of `deploy/`, as they are but for ports and certificates, in front of a server with three addresses. `./x test` leaves this out,
//! for a machine need have neither nginx nor Caddy; `.ci/run` runs it. Asked for and without a proxy, it fails.

use std::path::Path;
use std::process::Command;

use bursar_test_support::api::answer;
use bursar_test_support::pages::Page;
use bursar_test_support::{Process, eventually, free_port};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, Client, Response, redirect};
use serde_json::json;

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

const NOTIFY: &str = "notify.example.com";
const BURSAR: &str = "bursar.example.com";

/// The text with each of these places filled in. A place that is not there has moved: the example and this test no longer agree.
fn filled(text: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the example");
        text.replace(from, to)
    })
}

/// A proxy that listens at `port`.
struct Proxy {
    port: u16,
    certificate: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

/// Clients of a proxy, from this address of this machine, that keep nothing.
fn client(proxy: &Proxy, from: &str) -> Client {
    let address = format!("127.0.0.1:{}", proxy.port).parse().unwrap();
    let certificate = Certificate::from_pem(proxy.certificate.as_bytes()).unwrap();
    let builder = Client::builder().timeout(SOON).redirect(redirect::Policy::none()).no_proxy();
    let builder = builder.add_root_certificate(certificate).resolve(NOTIFY, address).resolve(BURSAR, address);
    builder.local_address(Some(from.parse().unwrap())).build().unwrap()
}

impl Proxy {
    async fn nginx(ports: [u16; 2]) -> Self {
        let example = include_str!("../../deploy/nginx.conf");
        Self::start("nginx", |port, file, folder| {
            let site = filled(
                example,
                &[
                    ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
                    ("http://127.0.0.1:8080", format!("http://127.0.0.1:{}", ports[0])),
                    ("http://127.0.0.1:8081", format!("http://127.0.0.1:{}", ports[1])),
                    ("/etc/nginx/tls/notify.example.com", file("both")),
                    ("/etc/nginx/tls/bursar.example.com", file("both")),
                ],
            );
            let here = folder.display();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|what| format!("{what}_temp_path {here}/{what};"))
                .concat();
            let main = format!(
                "daemon off; pid {here}/pid; error_log stderr; events {{}} http {{ access_log off; {temporary}\n{site}\n}}"
            );
            let config = folder.join("nginx.conf");
            std::fs::write(&config, main).unwrap();
            let mut command = Command::new("nginx");
            command.arg("-c").arg(config).arg("-p").arg(folder).args(["-e", "stderr"]);
            command
        })
        .await
    }

    async fn caddy(ports: [u16; 2]) -> Self {
        let example = include_str!("../../deploy/Caddyfile");
        Self::start("caddy", |port, file, folder| {
            let sites = filled(
                example,
                &[
                    ("\nnotify.example.com {", format!("\nhttps://notify.example.com:{port} {{")),
                    ("\nbursar.example.com {", format!("\nhttps://bursar.example.com:{port} {{")),
                    ("reverse_proxy 127.0.0.1:8080", format!("reverse_proxy 127.0.0.1:{}", ports[0])),
                    ("reverse_proxy 127.0.0.1:8081", format!("reverse_proxy 127.0.0.1:{}", ports[1])),
                    ("/etc/caddy/tls/notify.example.com", file("both")),
                    ("/etc/caddy/tls/bursar.example.com", file("both")),
                ],
            );
            let config = folder.join("Caddyfile");
            std::fs::write(&config, format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{sites}")).unwrap();
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
            command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            command
        })
        .await
    }

    async fn start(name: &str, command: impl FnOnce(u16, &dyn Fn(&str) -> String, &Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![NOTIFY.to_owned(), BURSAR.to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap().pem();
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("both.crt"), &certificate).unwrap();
        std::fs::write(file("both.key"), key.serialize_pem()).unwrap();
        let port = free_port().unwrap();
        let process = Process::start(name, command(port, &file, folder.path()));
        let proxy = Self { port, certificate, _process: process, _folder: folder };
        let client = client(&proxy, "127.0.0.1");
        eventually(SOON, "the proxy to answer", async || {
            let answered = client.get(format!("https://{BURSAR}:{port}/healthz")).send().await;
            answered.map(drop).map_err(|error| cause(&error))
        })
        .await;
        proxy
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// A server with three addresses, set up as the examples say.
async fn served() -> (World, Server, [u16; 2]) {
    let [public, admin] = [(); 2].map(|()| free_port().unwrap());
    let plan = Plan::new()
        .set("server.public_listen", format!("127.0.0.1:{public}"))
        .set("server.admin_listen", format!("127.0.0.1:{admin}"))
        .set("server.trusted_proxies", vec!["127.0.0.1"])
        .set("server.proxy_header", "x-forwarded-for")
        .set("server.connections_per_address", 4096);
    let world = plan.start().await;
    let server = world.serve().await;
    let main = server.address.rsplit(':').next().unwrap().parse().unwrap();
    (world, server, [main, public])
}

async fn status(client: &Client, url: String) -> u16 {
    client.get(url).send().await.unwrap().status().as_u16()
}

async fn each_listener_has_its_host(proxy: &Proxy) {
    let client = client(proxy, "127.0.0.1");
    for path in ["/", "/v1/jobs", "/metrics", "/healthz", "/sign-in", "/notifyx", "/NOTIFY/main"] {
        assert_eq!(status(&client, proxy.url(NOTIFY, path)).await, 404, "{path} for the internet");
    }
    let posted = client.post(proxy.url(NOTIFY, "/notify/main")).header("content-type", "application/json");
    let posted = posted.body("{}").send().await.unwrap();
    assert_ne!(posted.status().as_u16(), 404, "notifications reach the server");
    for (path, expected) in [("/metrics", 404), ("/notify/main", 404), ("/healthz", 200), ("/v1/jobs", 401)] {
        assert_eq!(status(&client, proxy.url(BURSAR, path)).await, expected, "{path} for operators");
    }
}

/// The session's cookie is of HTTPS alone, and forms are known to come from the proxy's host.
async fn a_person_signs_in(proxy: &Proxy, server: &Server) {
    let client = client(proxy, "127.0.0.1");
    let url = proxy.url(BURSAR, "/sign-in");
    let body: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("token", &server.tokens.operator).finish();
    let form = client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(body);
    let origin = proxy.url(BURSAR, "");
    let signed_in = form.header("origin", origin).send().await.unwrap();
    assert_eq!(signed_in.status(), 303, "{signed_in:?}");
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-bursar_session=") && cookie.contains("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page: Response = client.get(proxy.url(BURSAR, "/")).header("cookie", cookie).send().await.unwrap();
    let page =
        Page { status: page.status().as_u16(), headers: page.headers().clone(), text: page.text().await.unwrap() };
    page.says("main/transfer");
}

/// The trail has the client's address, whatever the client says of it.
async fn the_client_s_address_is_on_record(proxy: &Proxy, server: &Server) {
    let client = client(proxy, "127.0.0.2");
    let pause = |host: &str| client.post(proxy.url(host, "/v1/queues/main/transfer/pause"));
    let request = pause(BURSAR).bearer_auth(&server.tokens.operator).header("content-type", "application/json");
    let request = request.header("x-forwarded-for", "192.0.2.66").header("forwarded", "for=192.0.2.77");
    let paused = request.body(json!({"reason": "a look"}).to_string()).send().await.unwrap();
    assert_eq!(paused.status(), 200, "{paused:?}");
    let trail = server.request("GET", "/v1/audit?action=pause&limit=1", &server.tokens.operator);
    let trail = answer(trail).await.body;
    assert_eq!(trail["events"][0]["address"], "127.0.0.2", "{trail}");
    server.act("/v1/queues/main/transfer/resume", &json!({"reason": "seen"})).await;
}

/// A stream of events is not held back, and none of it waits for a full buffer.
async fn events_pass_as_they_come(proxy: &Proxy, server: &Server, key: &str) {
    let client = client(proxy, "127.0.0.1");
    let stream = client.get(proxy.url(BURSAR, "/v1/events")).bearer_auth(&server.tokens.reader);
    let mut stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 200, "{stream:?}");
    let submitted = client.post(proxy.url(BURSAR, "/v1/jobs")).bearer_auth(&server.tokens.producer);
    let job = transfer(key).to_string();
    let submitted = submitted.header("content-type", "application/json").body(job).send().await.unwrap();
    assert_eq!(submitted.status(), 201, "{submitted:?}");
    server.act(&format!("/v1/jobs/main/transfer/{key}/cancel"), &json!({"reason": "seen"})).await;
    let heard = tokio::time::timeout(SOON, async {
        let mut heard = String::new();
        while let Some(bytes) = stream.chunk().await.unwrap() {
            heard.push_str(&String::from_utf8_lossy(&bytes));
            if heard.contains(key) {
                break;
            }
        }
        heard
    });
    let heard = heard.await.expect("the event passes while the stream is open");
    assert!(heard.contains(key), "{heard}");
}

async fn is_as_the_example_says(proxy: &Proxy, server: &Server, key: &str) {
    each_listener_has_its_host(proxy).await;
    a_person_signs_in(proxy, server).await;
    the_client_s_address_is_on_record(proxy, server).await;
    events_pass_as_they_come(proxy, server, key).await;
}

#[tokio::test]
#[ignore = "needs nginx; .ci/run installs it and runs this"]
async fn nginx_serves_as_its_example_says() {
    let (_world, server, ports) = served().await;
    is_as_the_example_says(&Proxy::nginx(ports).await, &server, "BY-NGINX").await;
}

#[tokio::test]
#[ignore = "needs Caddy; .ci/run installs it and runs this"]
async fn caddy_serves_as_its_example_says() {
    let (_world, server, ports) = served().await;
    is_as_the_example_says(&Proxy::caddy(ports).await, &server, "BY-CADDY").await;
}
