//! A request is made once and goes nowhere else; and no other crate of the product builds a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bursar_http_client::{Authorities, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers every connection with these bytes and closes it; the address, and a count of connections.
async fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, own) = (Arc::clone(&count), url.clone());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer(&own).as_bytes()).await;
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    let (url, count) = server(|own| {
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: {own}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    })
    .await;
    let client = bursar_http_client::hardened().build().unwrap();
    assert_eq!(client.post(&url).body("a=b").send().await.unwrap().status(), 307);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_is_not_tried_again() {
    let (url, count) = server(|_| String::new()).await;
    let client = bursar_http_client::hardened().build().unwrap();
    let error = client.post(&url).body("a=b").send().await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1, "{}", bursar_http_client::causes(&error));
}

#[test]
fn a_text_without_a_certificate_is_refused() {
    for authorities in [Authorities::Also, Authorities::Only] {
        let refused = |pem: &str| {
            let trust = Trust::of(Some(pem.to_owned()), authorities);
            trust.apply(bursar_http_client::hardened()).unwrap_err().to_string()
        };
        assert_eq!(refused(""), "holds no PEM certificate");
        let broken = refused("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n");
        assert!(
            broken.starts_with("holds no readable certificate") || broken == "holds no PEM certificate",
            "{broken}"
        );
    }
}

/// Crates that may build their own clients: comparisons with other products, and this one.
const OTHERS: [&str; 2] = ["bench", "http-client"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_other_crate_names_reqwest() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !OTHERS.contains(&name.as_str()) && folder.join("src").is_dir() {
            sources(&folder.join("src"), &mut files);
        }
    }
    assert!(files.len() > 200, "the sources are elsewhere: {}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let named = text.lines().find(|line| !line.trim_start().starts_with("//") && line.contains("reqwest"));
        assert_eq!(named, None, "{}", file.display());
    }
}
