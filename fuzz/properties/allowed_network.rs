//! Any text as an entry of `webhooks.allow`: what is taken is shown as what is taken as the same.

use bursar_webhooks::AllowedNetwork;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(entry) = text.parse::<AllowedNetwork>() else { return };
    let shown = entry.to_string();
    assert_eq!(shown.parse::<AllowedNetwork>(), Ok(entry), "{text:?} is shown as {shown:?}");
    assert!(!entry.named_ports().contains(&0), "{text:?}");
    assert!(text.is_ascii(), "{text:?}");
}
