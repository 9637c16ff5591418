//! Every fault with the steps whose answer is no disposition.

use fe2o3_amqp_types::messaging::FilterSet;
use serde_amqp::primitives::Symbol;

use super::super::super::MessageState;
use super::super::super::address::Place;
use super::*;

const DELAY: Duration = Duration::from_secs(5);

/// Every fault, and whether the step happens all the same.
const FAULTS: [(Fault, bool); 8] = [
    (Fault::Unauthorized, false),
    (Fault::Busy, false),
    (Fault::CutBefore, false),
    (Fault::CutAfter, true),
    (Fault::Delayed(DELAY), true),
    (Fault::Detached, false),
    (Fault::DetachedAfter, true),
    (Fault::Silent, false),
];

/// What a refused link is detached with.
fn refusal(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::Unauthorized => Some("amqp:unauthorized-access"),
        Fault::Busy => Some("com.microsoft:server-busy"),
        Fault::Detached | Fault::DetachedAfter => Some("amqp:link:detach-forced"),
        _ => None,
    }
}

fn is_cut(fault: Fault) -> bool {
    matches!(fault, Fault::CutBefore | Fault::CutAfter)
}

impl Peer {
    fn later(&mut self, by: Duration) {
        self.clock.advance(by);
        self.pump();
    }

    /// Handles that were detached from the other side.
    fn detached_handles(&self) -> Vec<u32> {
        let found = self
            .read
            .iter()
            .filter_map(|(performative, _)| match performative {
                Performative::Detach(detach) => Some(detach.handle.0),
                _ => None,
            });
        found.collect()
    }

    /// Attaches that came, and whether each names a node.
    fn attached(&self) -> Vec<bool> {
        let found = self
            .read
            .iter()
            .filter_map(|(performative, _)| match performative {
                Performative::Attach(attach) => Some(attach.source.is_some()),
                _ => None,
            });
        found.collect()
    }

    /// Statuses of the responses that came.
    fn statuses(&self, key: &str) -> Vec<i64> {
        let responses = self.deliveries().into_iter();
        let statuses = responses.map(|(_, payload)| {
            let response = Content::parse(&payload).unwrap();
            response.application(key).and_then(integer).unwrap()
        });
        statuses.collect()
    }

    /// Checks how a fault answered the request that came on the first link.
    fn check_response(&mut self, fault: Fault, key: &str, done: i64) {
        assert_eq!(self.end == Some(End::Cut), is_cut(fault), "{fault:?}");
        let (detached, statuses) = match fault {
            Fault::Unauthorized => (vec![], vec![401]),
            Fault::Busy => (vec![], vec![503]),
            Fault::Detached | Fault::DetachedAfter => {
                assert_eq!(self.detached().as_deref(), refusal(fault));
                (vec![1], vec![])
            }
            _ => (vec![], vec![]),
        };
        assert_eq!(self.detached_handles(), detached, "{fault:?}");
        assert_eq!(self.statuses(key), statuses, "{fault:?}");
        if fault == Fault::Delayed(DELAY) {
            self.later(DELAY);
            assert_eq!(self.statuses(key), [done]);
        }
        assert_eq!(self.bus().faults_left(), 0, "{fault:?}");
    }

    fn session_is_locked(&self) -> bool {
        let mut state = self.bus().lock();
        let queue = state.queue(&Place::parse("sessions")).unwrap();
        queue.sessions.is_locked("s")
    }
}

#[test]
fn every_fault_strikes_a_token() {
    for (fault, happens) in FAULTS {
        let mut peer = Peer::new(|_| ());
        peer.attach(1, Role::Sender, "$cbs");
        peer.attach(2, Role::Receiver, "$cbs");
        peer.flow(2, 10, 100, false);
        let mut request = Content::of_value(&string("token"));
        request.put("operation", string("put-token"));
        request.put("type", string("jwt"));
        request.put("name", string("sb://127.0.0.1/orders"));
        peer.bus().inject(Some(Step::PutToken), fault);
        peer.read.clear();
        peer.transfer(1, 0, &request, false);
        let tokens = peer.bus().counters().tokens;
        assert_eq!(tokens, u64::from(happens), "{fault:?}");
        peer.check_response(fault, "status-code", 202);
    }
}

#[test]
fn every_fault_strikes_a_request() {
    for (fault, happens) in FAULTS {
        let mut peer = Peer::new(|_| ());
        peer.bus().send("orders", NewMessage::new("body")).unwrap();
        peer.attach(0, Role::Receiver, "orders");
        peer.flow(0, 1, 100, false);
        let tag = peer.deliveries()[0].0.delivery_tag.clone().unwrap();
        let token = uuid::Uuid::from_slice_le(&tag).unwrap();
        peer.attach(1, Role::Sender, "orders/$management");
        peer.attach(2, Role::Receiver, "orders/$management");
        peer.flow(2, 10, 100, false);
        let mut request = Content::of_value(&map([
            (string("lock-tokens"), array_of(vec![uuid(token)])),
            (string("disposition-status"), string("completed")),
        ]));
        request.put("operation", string("com.microsoft:update-disposition"));
        peer.bus().inject(Some(Step::Manage), fault);
        peer.read.clear();
        peer.transfer(1, 0, &request, false);
        let completed = peer.bus().counters().completed;
        assert_eq!(completed, u64::from(happens), "{fault:?}");
        peer.check_response(fault, "statusCode", 200);
    }
}

/// A peer, and an attach that asks for a session: this one or any.
fn session_peer(session: &Value) -> (Peer, Attach) {
    let peer = Peer::new(|it| {
        let entity = Entity::queue("sessions").with(|it| it.sessions = true);
        it.entities.push(entity);
    });
    let mut attach = link(0, Role::Receiver, "sessions");
    let filter = (
        Symbol::from("com.microsoft:session-filter"),
        session.clone(),
    );
    attach.source.get_or_insert_default().filter = Some(FilterSet::from_iter([filter]));
    (peer, attach)
}

#[test]
fn every_fault_strikes_an_attach() {
    for (fault, happens) in FAULTS {
        let (mut peer, attach) = session_peer(&string("s"));
        peer.bus().inject(Some(Step::Attach), fault);
        peer.say(&attach, &[]);
        assert_eq!(peer.end == Some(End::Cut), is_cut(fault), "{fault:?}");
        assert_eq!(peer.detached().as_deref(), refusal(fault), "{fault:?}");
        let attached = refusal(fault).map(|_| happens);
        assert_eq!(peer.attached(), Vec::from_iter(attached), "{fault:?}");
        // A session goes with its link, and stays with a connection that was cut.
        let is_held = fault == Fault::CutAfter;
        assert_eq!(peer.session_is_locked(), is_held, "{fault:?}");
        assert_eq!(peer.bus().faults_left(), 0, "{fault:?}");
        if fault == Fault::Delayed(DELAY) {
            let due = later(peer.clock.now(), DELAY);
            assert_eq!(peer.engine.next_event(), Some(due));
            peer.later(DELAY);
            assert_eq!((peer.attached(), peer.detached()), (vec![true], None));
            assert!(peer.session_is_locked());
        }
    }
}

#[test]
fn an_attach_that_was_not_answered_can_be_taken_back() {
    let detach = Detach {
        handle: Handle(0),
        closed: true,
        error: None,
    };
    for end_session in [false, true] {
        let mut peer = Peer::new(|_| ());
        peer.bus().inject(Some(Step::Attach), Fault::Delayed(DELAY));
        peer.attach(0, Role::Receiver, "orders");
        if end_session {
            peer.say(&SessionEnd { error: None }, &[]);
        } else {
            peer.say(&detach, &[]);
        }
        peer.later(DELAY);
        assert!(peer.attached().is_empty());
        assert_eq!(peer.engine.entity_links(), []);
    }
}

#[test]
fn a_link_that_waits_for_its_session_is_detached_once() {
    let (mut peer, attach) = session_peer(&Value::Null);
    peer.bus().inject(Some(Step::Attach), Fault::DetachedAfter);
    peer.say(&attach, &[]);
    let message = NewMessage::new("body").with_session_id("s");
    peer.bus().send("sessions", message).unwrap();
    peer.pump();
    assert_eq!(peer.attached(), [false]);
    assert_eq!(peer.detached_handles(), [0]);
    assert!(!peer.session_is_locked());
}

#[test]
fn a_refused_link_is_not_detached_again() {
    let mut peer = Peer::new(|_| ());
    peer.bus().inject(Some(Step::Attach), Fault::DetachedAfter);
    peer.attach(0, Role::Receiver, "nowhere");
    assert_eq!(peer.detached().as_deref(), Some("amqp:not-found"));
    assert_eq!(peer.detached_handles(), [0]);
}

#[test]
fn every_fault_strikes_a_delivery() {
    for (fault, happens) in FAULTS {
        let mut peer = Peer::new(|_| ());
        peer.bus().send("orders", NewMessage::new("body")).unwrap();
        peer.attach(0, Role::Receiver, "orders");
        peer.bus().inject(Some(Step::Deliver), fault);
        peer.flow(0, 10, 100, false);
        let state = peer.bus().messages("orders")[0].state;
        let is_locked = matches!(state, MessageState::Locked(_));
        assert_eq!(is_locked, happens, "{fault:?}");
        assert_eq!(peer.end == Some(End::Cut), is_cut(fault), "{fault:?}");
        assert_eq!(peer.detached().as_deref(), refusal(fault), "{fault:?}");
        assert_eq!(peer.deliveries(), [], "{fault:?}");
        assert_eq!(peer.bus().faults_left(), 0, "{fault:?}");
    }
}

#[test]
fn a_delayed_delivery_holds_back_its_link() {
    let mut peer = Peer::new(|_| ());
    for body in ["first", "second"] {
        peer.bus().send("orders", NewMessage::new(body)).unwrap();
    }
    peer.attach(0, Role::Receiver, "orders");
    let fault = Fault::Delayed(DELAY);
    peer.bus().inject(Some(Step::Deliver), fault);
    peer.flow(0, 10, 100, false);
    let due = later(peer.clock.now(), DELAY);
    assert_eq!(peer.engine.next_event(), Some(due));
    // The credit is taken back, so that it waits for more.
    peer.flow(0, 10, 100, true);
    peer.later(DELAY);
    assert_eq!(peer.deliveries(), []);
    assert!(peer.engine.next_event() > Some(due));
    peer.flow(0, 20, 100, false);
    let bodies: Vec<_> = peer
        .deliveries()
        .iter()
        .map(|(_, payload)| Content::parse(payload).unwrap().data())
        .collect();
    assert_eq!(bodies, [b"first".to_vec(), b"second".to_vec()]);
}

#[test]
fn a_silent_link_hands_out_nothing_ever_after() {
    let mut peer = Peer::new(|_| ());
    peer.bus().send("orders", NewMessage::new("body")).unwrap();
    peer.attach(0, Role::Receiver, "orders");
    peer.bus().inject(Some(Step::Deliver), Fault::Silent);
    peer.flow(0, 1, 100, false);
    peer.read.clear();
    peer.flow(0, 1, 100, true);
    assert!(peer.read.is_empty());
    // To another one it does.
    peer.attach(1, Role::Receiver, "orders");
    peer.flow(1, 1, 100, false);
    assert_eq!(peer.deliveries().len(), 1);
}
