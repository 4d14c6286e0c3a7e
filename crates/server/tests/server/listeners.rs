//! The routes of each listener: strangers reach notifications alone, and metrics are where monitoring is.

use std::net::SocketAddr;

use bursar_server::Settings;
use bursar_test_support::notifications::{BILLS, signed, stamp};
use reqwest::{Client, Response};

use crate::world::{APP_ID, World};

/// A path, and the status of a GET at `listen`, at `public_listen` and at `admin_listen`.
type Row = (&'static str, u16, u16, u16);

const APART: [Row; 10] = [
    ("/healthz", 200, 404, 200),
    ("/metrics", 404, 404, 200),
    ("/openapi.json", 200, 404, 404),
    ("/problems", 200, 404, 404),
    ("/v1/queues", 401, 404, 404),
    ("/v1/notifications", 401, 404, 404),
    ("/notify/main", 404, 405, 404), // a GET of a route for POST
    ("/sign-in", 200, 404, 404),
    ("/", 303, 404, 404),
    ("/assets/nothing", 404, 404, 404),
];

fn apart(settings: &mut Settings) {
    settings.public_listen = Some("127.0.0.1:0".parse().unwrap());
    settings.admin_listen = Some("127.0.0.1:0".parse().unwrap());
}

async fn get(client: &Client, address: impl std::fmt::Display, path: &str) -> Response {
    client.get(format!("http://{address}{path}")).send().await.unwrap()
}

#[tokio::test]
async fn each_route_is_at_the_listeners_that_the_table_names() {
    let world = World::with(apart).await;
    let server = world.serve().await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let main: SocketAddr = server.address.parse().unwrap();
    let (public, admin) = (server.public.unwrap(), server.admin.unwrap());
    for (path, at_main, at_public, at_admin) in APART {
        for (address, expected) in [(main, at_main), (public, at_public), (admin, at_admin)] {
            let status = get(&client, address, path).await.status().as_u16();
            assert_eq!(status, expected, "{path} at {address}, of {main} {public} {admin}");
        }
    }
    // Whether Redis may be written is another test's; that the routes are there is this one's.
    for (address, is_there) in [(main, true), (public, false), (admin, true)] {
        assert_eq!(get(&client, address, "/readyz").await.status() != 404, is_there, "{address}");
    }
    let described = get(&client, main, "/openapi.json").await.text().await.unwrap();
    assert!(described.contains("/notify/{account}") && described.contains("/metrics"), "all is described at one place");
}

#[tokio::test]
async fn a_notification_is_stored_by_the_public_listener_alone() {
    let world = World::with(apart).await;
    let server = world.serve().await;
    let body = signed(APP_ID, BILLS, "{\"order_id\":\"o1\"}", &stamp(0));
    let client = Client::new();
    let post = async |address: String| {
        client.post(format!("http://{address}/notify/main")).body(body.clone()).send().await.unwrap()
    };
    assert_eq!(post(server.address.clone()).await.status(), 404);
    assert_eq!(server.read("/v1/notifications").await["notifications"].as_array().unwrap().len(), 0);
    let taken = post(server.public.unwrap().to_string()).await;
    assert_eq!((taken.status().as_u16(), taken.text().await.unwrap().as_str()), (200, "success"));
    assert_eq!(server.read("/v1/notifications").await["notifications"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_other_addresses_everything_is_at_one() {
    let world = World::start().await;
    let server = world.serve().await;
    assert_eq!((server.public, server.admin), (None, None));
    let client = Client::new();
    for (path, expected) in [("/healthz", 200), ("/metrics", 200), ("/openapi.json", 200), ("/notify/main", 405)] {
        assert_eq!(get(&client, &server.address, path).await.status(), expected, "{path}");
    }
    let metrics = get(&client, &server.address, "/metrics").await.text().await.unwrap();
    assert!(metrics.contains("bursar_connections{listener=\"server.listen\"} "), "{metrics}");
    assert!(metrics.contains("bursar_connections_max{listener=\"server.listen\"} 4096"), "{metrics}");
}
