//! HTTP by hand: any bytes at all go out, whole answers come in, and it is told when the other side closes.

use std::{
    fmt,
    io::{self, Read, Write},
};

use serde_json::Value;

/// One connection.
pub(crate) struct Wire<S> {
    stream: S,
    received: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Sends bytes. That the other side has closed already is no fault: what it answered can still be read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        match self.try_send(bytes) {
            Err(error) if !is_close(&error) => panic!("sending: {error}"),
            _ => self,
        }
    }

    /// Sends bytes, or says why not.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> WireAnswer {
        self.try_answer().expect("an answer").expect("an answer before the connection is closed")
    }

    /// The next answer, or `None` if the connection is closed before there is a whole one.
    pub(crate) fn try_answer(&mut self) -> io::Result<Option<WireAnswer>> {
        let head_end = loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.receive()? {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.received[..head_end]).into_owned();
        let mut answer = WireAnswer { status: 0, head, body: String::new() };
        answer.status = answer.head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        // RFC 9110 §6.4.1
        let has_none = answer.status < 200 || [204, 304].contains(&answer.status);
        let length: usize = if has_none { 0 } else { length.expect("every answer says how long it is") };
        while self.received.len() < head_end + length {
            if !self.receive()? {
                return Ok(None);
            }
        }
        let body = self.received.drain(..head_end + length).skip(head_end).collect();
        answer.body = String::from_utf8(body).expect("UTF-8");
        Ok(Some(answer))
    }

    /// Waits until the other side closes, and returns what it still said.
    pub(crate) fn rest(&mut self) -> String {
        while self.receive().expect("the connection is closed in time") {}
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// Receives some bytes. `false`: the other side has closed.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if is_close(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), ConnectionReset | BrokenPipe | ConnectionAborted | UnexpectedEof | NotConnected)
}

/// An answer. Displays as its status, `close` if the connection ends with it, and its body.
#[derive(Debug)]
pub(crate) struct WireAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl WireAnswer {
    /// A header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()))
    }
}

impl fmt::Display for WireAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closes = self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        write!(
            f,
            "{}{}{}",
            self.status,
            if closes { " close" } else { "" },
            if self.body.is_empty() { "" } else { " " }
        )?;
        f.write_str(&self.body)
    }
}

/// A whole request, after which the connection stays open.
pub(crate) fn request(method: &str, path: &str, key: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A whole GET.
pub(crate) fn get(path: &str, key: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n")
}
