//! A name server on this machine: it answers for the names that it knows, and never says anything of others.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::binary::PATIENCE;

/// The name server. It answers until the test's process ends.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl NameServer {
    /// One that knows these names.
    pub(crate) fn knowing<const N: usize>(names: [(&str, &[&str]); N]) -> Self {
        let address = |text: &&str| text.parse().expect("an address");
        let known = names.map(|(name, addresses)| (name.to_owned(), addresses.iter().map(address).collect()));
        let known: HashMap<String, Vec<IpAddr>> = known.into();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let asked = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = asked.clone();
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((read, from)) = socket.recv_from(&mut question) {
                let (name, end) = name_in(&question[..read]);
                noted.lock().expect("no panic").insert(name.clone());
                if let Some(addresses) = known.get(&name) {
                    socket.send_to(&answer(&question[..end], addresses), from).expect("it is sent");
                }
            }
        });
        Self { address, asked }
    }

    /// The names that it was asked for.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Waits until it was asked for as many names.
    pub(crate) fn wait_for(&self, count: usize) {
        let since = Instant::now();
        while self.asked().len() < count {
            assert!(since.elapsed() < PATIENCE, "asked for {:?}", self.asked());
            std::thread::yield_now();
        }
    }
}

/// The name that is asked for, and where the question ends (RFC 1035 §4.1.2).
fn name_in(message: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while message[at] > 0 {
        let end = at + 1 + usize::from(message[at]);
        labels.push(String::from_utf8(message[at + 1..end].to_vec()).expect("ASCII").to_lowercase());
        at = end;
    }
    (labels.join("."), at + 5)
}

/// The answer: those of the addresses that are of the kind asked for.
fn answer(question: &[u8], addresses: &[IpAddr]) -> Vec<u8> {
    let kind = u16::from_be_bytes([question[question.len() - 4], question[question.len() - 3]]);
    let octets = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(ip) => (kind == 1).then(|| ip.octets().to_vec()),
        IpAddr::V6(ip) => (kind == 28).then(|| ip.octets().to_vec()),
    });
    let octets: Vec<_> = octets.collect();
    // Its id; a response, recursion desired and available; one question, so many answers, nothing more.
    let mut message =
        [&question[..2], &[0x81, 0x80, 0, 1, 0, octets.len() as u8, 0, 0, 0, 0], &question[12..]].concat();
    for octets in octets {
        // The name of the question, its kind, of the internet, for a minute.
        message.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 60, 0, octets.len() as u8]);
        message.extend(octets);
    }
    message
}
