//! The style, the script and the icon: files of the executable, named by what is in them, so that browsers may keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::http::path::PathParts;
use crate::http::problem::{Kind, Problem};

/// A file.
pub(super) struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

pub(super) static STYLE: LazyLock<Named> = LazyLock::new(|| {
    Named::new(Asset {
        name: "dashboard.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("assets/dashboard.css"),
    })
});
pub(super) static SCRIPT: LazyLock<Named> = LazyLock::new(|| {
    Named::new(Asset {
        name: "dashboard.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("assets/dashboard.js"),
    })
});
pub(super) static ICON: LazyLock<Named> = LazyLock::new(|| {
    Named::new(Asset { name: "icon.svg", media_type: "image/svg+xml", text: include_str!("assets/icon.svg") })
});

/// A file with its address.
pub(super) struct Named {
    asset: Asset,
    address: String,
}

impl Named {
    fn new(asset: Asset) -> Self {
        let digest = hex::encode(Sha256::digest(asset.text.as_bytes()));
        let version = digest.get(..12).unwrap_or_default();
        let address = format!("/assets/{version}/{}", asset.name);
        Self { asset, address }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// No file has this name.
fn no_file() -> Response {
    Problem::new(Kind::NotFound, "no file has this name").into_response()
}

/// `GET /assets/{version}/{name}`. A page of another version of Bursar may ask for a file that is gone: it gets this one's.
pub(super) async fn asset(path: PathParts<(String, String)>) -> Response {
    let Ok(Path((version, name))) = path else { return no_file() };
    let Some(named) = [&STYLE, &SCRIPT, &ICON].into_iter().find(|named| named.asset.name == name) else {
        return no_file();
    };
    let is_this = named.address.contains(&format!("/{version}/"));
    let kept = if is_this { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(named.asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, named.asset.text).into_response()
}
