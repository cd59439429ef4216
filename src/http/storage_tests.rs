//! Tests of the hosts that a presigned URL may name.

use super::*;
use crate::error::ErrorCode;
use crate::http::half_open;
use crate::http::{Call, Deadlines};

const FAR_AWAY: &str = "https://192.0.2.1";

async fn refused(url: &str, base_url: &str) -> Option<String> {
    slot(url, base_url).await.err().map(|error| {
        assert_eq!(error.code(), ErrorCode::Protocol, "{url}");
        assert!(!error.to_string().contains("sig"), "the URL is a secret: {error}");
        error.message().to_owned()
    })
}

#[tokio::test]
async fn a_stored_packet_is_not_fetched_from_this_machine_or_its_link_however_the_address_is_written() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "user:pass@127.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
    ] {
        let message = refused(&format!("http://{host}:9000/packet?sig=1"), FAR_AWAY).await.expect(host);
        assert!(message.contains("loopback"), "{host}: {message}");
        assert_eq!(refused(&format!("http://{host}/"), "http://127.0.0.1:3030").await, None, "{host}");
    }
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[fe80::1]",
        "[febf::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
    ] {
        let message = refused(&format!("http://{host}/latest/meta-data?sig=1"), FAR_AWAY).await.expect(host);
        assert!(message.contains("link-local"), "{host}: {message}");
        assert!(refused(&format!("http://{host}/"), "http://localhost:3030").await.is_some(), "{host}");
        assert_eq!(refused(&format!("http://{host}/"), "http://169.254.1.1").await, None, "{host}");
    }
    for host in ["10.0.0.1", "172.16.0.9", "192.168.1.4", "[fd12::1]", "203.0.113.9", "[2001:db8::1]", "s3.example"] {
        assert_eq!(refused(&format!("http://{host}/"), FAR_AWAY).await, None, "{host}");
    }
}

#[tokio::test]
async fn a_stored_packet_is_not_fetched_from_a_name_of_this_machine() {
    for name in ["localhost", "LOCALHOST"] {
        let asked = format!("http://{name}:9/packet?sig=1");
        let error = Call::get_presigned(&asked, FAR_AWAY).await.expect_err(name);
        // At once: a retry would take a second.
        assert_eq!(error.code(), ErrorCode::Protocol, "{name}: {error}");
        assert!(error.message().contains("loopback"), "{name}: {error}");
        let upload = Call::put_presigned(&asked, "text/plain", "a".into(), Deadlines::CALL, FAR_AWAY).await;
        assert_eq!(upload.expect_err(name).code(), ErrorCode::Protocol, "{name}");
    }
}

/// A store that redirects each of `times` requests to `location`.
async fn redirecting(location: &str, times: usize) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let server = tokio::spawn(async move {
        let mut asked = 0;
        while asked < times {
            let Ok((mut socket, _)) = listener.accept().await else { break };
            half_open::head(&mut socket).await.expect("a request");
            tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.expect("written");
            asked += 1;
        }
        asked
    });
    (url, server)
}

#[tokio::test]
async fn a_store_does_not_redirect_to_the_link() {
    for location in ["http://169.254.169.254/latest", "http://2852039166/", "//[::ffff:a9fe:a9fe]/"] {
        let (url, server) = redirecting(location, 1).await;
        // In development both are at loopback, from where the link is as far.
        let error = Call::get_presigned(&format!("{url}/packet"), &url).await.expect_err(location);
        assert_eq!(error.code(), ErrorCode::Protocol, "{location}: {error}");
        assert!(error.message().contains("link-local"), "{location}: {error}");
        assert_eq!(server.await.expect("served"), 1);
    }
}

#[tokio::test]
async fn a_store_that_redirects_for_ever_is_given_up() {
    let (url, server) = redirecting("/again", usize::MAX).await;
    let slot = slot(&url, &url).await.expect("a client");
    let attempt = slot.attempt(&url).expect("an attempt");
    let error = attempt.client().get(&url).send().await.expect_err("endless");
    assert!(error.is_redirect(), "{error}");
    server.abort();
}

/// A store that redirects `times` requests, and gives every later one the packet.
async fn moved(times: usize) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        for asked in 0.. {
            let Ok((mut socket, _)) = listener.accept().await else { break };
            half_open::head(&mut socket).await.expect("a request");
            let head = if asked < times { "302 Found\r\nlocation: /again" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 6\r\nconnection: close\r\n\r\npacket");
            tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await.expect("written");
        }
    });
    (url, server)
}

#[tokio::test]
async fn a_packet_that_moved_is_read_where_it_is_now_up_to_the_limit_of_redirections() {
    for (times, is_read) in [(1, true), (MAX_REDIRECTS, true), (MAX_REDIRECTS + 1, false)] {
        let (url, server) = moved(times).await;
        let slot = slot(&url, &url).await.expect("a client");
        let attempt = slot.attempt(&url).expect("an attempt");
        let answer = attempt.client().get(&url).send().await;
        assert_eq!(answer.is_ok_and(|answer| answer.status() == 200), is_read, "{times}");
        server.abort();
    }
}
