//! The foot of all pages, which names their time zone, and the help about keys.

use maud::{Markup, html};

use super::i18n::Words;
use super::i18n::language::local;
use super::signed_in::Guest;
use super::zone::ZONES;

/// The keys that lead to pages, after `g`.
const KEYS: [(&str, &str); 9] = [
    ("/", "q"),
    ("/jobs", "j"),
    ("/review", "r"),
    ("/notifications", "n"),
    ("/webhooks", "h"),
    ("/charts", "c"),
    ("/report", "p"),
    ("/workers", "w"),
    ("/audit", "a"),
];

/// The key that leads to a page.
pub(super) fn key_of(address: &str) -> Option<&'static str> {
    KEYS.iter().find(|(known, _)| *known == address).map(|(_, key)| *key)
}

/// The zone of the page's times, with a choice of others.
pub(super) fn foot(guest: &Guest) -> Markup {
    let words = &guest.words.frame;
    html! {
        form.zone action="/zone" method="get" {
            input type="hidden" name="to" value=(local(&guest.here));
            label { (words.times_in) " " select name="name" data-submits {
                option value="" selected[guest.zone.is_none()] { (words.browser_zone) }
                @for zone in ZONES { option value=(zone) selected[guest.zone == Some(zone)] { (zone) } }
            } }
            button type="submit" { (guest.words.show) }
        }
        span data-zone-name {}
        noscript { (words.without_script) }
        button.plain type="button" hidden data-opens="help" { (words.keys) " " kbd { "?" } }
    }
}

/// The help about keys.
pub(super) fn help(words: &Words) -> Markup {
    let of_pages = [
        ("/", words.queues),
        ("/jobs", words.jobs),
        ("/review", words.review),
        ("/notifications", words.notifications),
        ("/webhooks", words.webhook.webhooks),
        ("/charts", words.charts),
        ("/audit", words.audit.audit),
    ];
    let frame = &words.frame;
    let others = [
        ("/", frame.search),
        ("j", frame.next_row),
        ("k", frame.previous_row),
        ("Enter", frame.open_row),
        ("x", frame.tick_row),
        ("?", frame.this_help),
        ("Esc", frame.close),
    ];
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { (frame.keys) }
            dl.keys {
                @for (address, name) in of_pages {
                    @if let Some(key) = key_of(address) { div { dt { kbd { "g" } " " kbd { (key) } } dd { (frame.go_to) " " (name) } } }
                }
                @for (key, name) in others { div { dt { kbd { (key) } } dd { (name) } } }
            }
            form method="dialog" { button type="submit" { (frame.close) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_pages_have_the_same_key() {
        let keys: BTreeSet<&str> = KEYS.iter().map(|(_, key)| *key).collect();
        assert_eq!(keys.len(), KEYS.len());
    }
}
