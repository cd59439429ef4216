//! The connections to one server: who opens another, and which servers are remembered.

use super::*;

/// So many requests wait, and so many connections are being opened, of two streams each.
fn waiting(protocol: Protocol, connecting: usize, waiters: usize) -> State {
    State { protocol, connecting, waiters, capacity: 2, ..State::default() }
}

#[test]
fn of_many_requests_that_wait_one_after_another_opens_a_connection_until_enough_are_coming() {
    use Protocol::{Http1, Http2, Unknown};
    for (protocol, connecting, waiters, wakes) in [
        (Http2, 1, 5, true),
        (Http2, 1, 2, true),
        (Http2, 1, 1, false),
        (Http2, 5, 2, false),
        (Http2, 1, 0, false),
        (Http1, 9, 1, true),
        (Http1, 1, 0, false),
        (Unknown, 1, 5, true),
    ] {
        let state = waiting(protocol, connecting, waiters);
        assert_eq!(state.wakes_next(&Checkout::Connect), wakes, "{protocol:?} {connecting} {waiters}");
        assert!(!state.wakes_next(&Checkout::Wait));
        assert_eq!(state.wakes_next(&Checkout::Fail(String::new())), waiters > 0);
    }
}

fn origin(host: &str) -> Arc<Origin> {
    Origin::of(&format!("https://{host}.origins.invalid").parse().expect("a URL"), Purpose::Polls).expect("direct")
}

#[test]
fn requests_that_leave_while_they_wait_open_no_connection() {
    let origin = origin("waiters");
    let mut state = origin.state();
    let [served, left] = [(); 2].map(|()| Waiter::begin(&origin, &mut state));
    assert_eq!(state.waiters, 2);
    served.end(&mut state);
    drop(state);
    drop(left);
    assert_eq!(origin.state().waiters, 0);
}

#[test]
fn an_app_that_asks_few_servers_remembers_what_they_speak_and_of_ever_new_ones_those_in_use_alone() {
    origin("few").state().protocol = Protocol::Http2;
    let used = origin("used");
    assert_eq!(origin("few").state().protocol, Protocol::Http2);
    for n in 0..10 * MAX_ORIGINS {
        origin(&format!("unused-{n}"));
    }
    assert!(Arc::ptr_eq(&used, &origin("used")));
    // Other tests have connections, too.
    assert!(lock(&ORIGINS).len() < 2 * MAX_ORIGINS);
}

#[test]
fn feeds_of_a_server_without_tls_open_their_connections_at_once_and_with_it_the_first_learns_the_version() {
    let second = |url: &str| {
        let origin = Origin::of(&url.parse().expect("a URL"), Purpose::Polls).expect("direct");
        let mut state = origin.state();
        assert!(matches!(state.checkout(None), Checkout::Connect));
        matches!(state.checkout(None), Checkout::Connect)
    };
    assert!(second("http://plain.origins.invalid"));
    assert!(!second("https://secure.origins.invalid"));
}
