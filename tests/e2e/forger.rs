//! A man in the middle behind TLS: every request reaches the gateway and is executed there, and what comes back is the
//! forger's choice. It has no key of the platform's.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// One exchange as the forger saw it.
pub(crate) struct Exchange {
    /// `bkfunds.balance.pay.apply`
    pub(crate) method: String,
    /// The request's `platform_no`; empty where it names none.
    pub(crate) key: String,
    /// The gateway's own response.
    pub(crate) real: String,
}

/// The forger's reply in place of the gateway's response; `None` lets the response pass.
type Forge = dyn Fn(&Exchange) -> Option<String> + Send + Sync;

/// A forger that listens. It ends with its test.
pub(crate) struct Forger {
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl Forger {
    /// Forwards to the gateway at `gateway`.
    pub(crate) async fn before(
        gateway: &str,
        forge: impl Fn(&Exchange) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (gateway, forge): (String, Arc<Forge>) = (gateway.to_owned(), Arc::new(forge));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, gateway.clone(), Arc::clone(&forge)));
            }
        });
        Self { address, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut client: TcpStream, gateway: String, forge: Arc<Forge>) -> Option<()> {
    while let Some((head, body)) = message(&mut client).await {
        let mut upstream = TcpStream::connect(&gateway).await.ok()?;
        upstream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        let (real_head, real) = message(&mut upstream).await?;
        let params: std::collections::HashMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let content: Value = params.get("biz_content").and_then(|text| serde_json::from_str(text).ok())?;
        let exchange = Exchange {
            method: params.get("method")?.clone(),
            key: content["platform_no"].as_str().unwrap_or_default().to_owned(),
            real,
        };
        let response = match forge(&exchange) {
            None => format!("{real_head}{}", exchange.real),
            Some(forged) => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{forged}",
                forged.len()
            ),
        };
        client.write_all(response.as_bytes()).await.ok()?;
    }
    Some(())
}

/// A head with its empty line, and a body of the length that the head gives.
async fn message(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end + 4].to_vec()).ok()?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            })?;
            while bytes.len() < end + 4 + length {
                more(stream, &mut bytes).await?;
            }
            return Some((head, String::from_utf8(bytes[end + 4..].to_vec()).ok()?));
        }
        more(stream, &mut bytes).await?;
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 8_192];
    let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(&buffer[..read]);
    Some(())
}
