//! An OpenTelemetry collector for tests: takes OTLP over HTTP, and keeps it.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The spans that arrived, each with its service.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    pub(crate) endpoint: String,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { endpoint, ..Self::default() };
        let spans = Arc::clone(&collector.spans);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&spans)));
            }
        });
        collector
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// One connection, request after request.
async fn take(mut stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let end = received.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        let head = end.map(|end| String::from_utf8_lossy(&received[..end]).to_lowercase());
        let length = head.as_ref().map(|head| {
            assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
            assert!(head.contains("content-type: application/x-protobuf"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length.expect("a length").parse::<usize>().expect("a length")
        });
        match end.zip(length) {
            Some((end, length)) if received.len() >= end + length => {
                let request = ExportTraceServiceRequest::decode(&received[end..end + length]).expect("OTLP");
                for resource in request.resource_spans {
                    let service = resource.resource.unwrap().attributes;
                    assert!(service.iter().any(|one| one.key == "service.name"), "{service:?}");
                    spans.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
                received.drain(..end + length);
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.ok();
            }
            _ => match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => received.extend_from_slice(&buffer[..read]),
            },
        }
    }
}

/// A span's attribute of this name.
pub(crate) fn said(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|one| one.key == name)?.value.as_ref()?.value.as_ref()?;
    if let Value::StringValue(text) = value {
        return Some(text.clone());
    }
    if let Value::IntValue(number) = value { Some(number.to_string()) } else { panic!("{name} is a text or a number") }
}

/// An id as headers have it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
