//! The metrics listener: counts what was answered, names nobody, and is not the API's.

use std::net::{SocketAddr, TcpStream};

use crate::{
    binary::{Binary, PATIENCE},
    wire::{Wire, get, request},
};

#[test]
fn answers_are_counted_by_route_and_status() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.metrics_address();

    let mut wire = server.wire();
    let created = wire.send(request("POST", "/api/v1/users", &key, r#"{"firstName":"Ann","lastName":"Lee"}"#)).answer();
    let id = created.json()["user"]["publicId"].as_str().expect("an id").to_owned();
    for (path, times) in [(format!("/api/v1/users/{id}"), 3), ("/api/v1/users".to_owned(), 2), (format!("/{id}"), 1)] {
        for _ in 0..times {
            wire.send(get(&path, &key)).answer();
        }
    }
    wire.send(get("/api/v1/users", "no key")).answer();
    wire.send(get("/api/v1/events", &key)).answer();
    wire.send(request("POST", "/api/v1/webhooks", &key, "{}")).answer();
    wire.send(request("PUT", &format!("/api/v1/users/{id}"), &key, "{}")).answer();

    let counted = scrape(metrics);
    for line in [
        r#"roster_http_answers_total{route="CreateUser",status="200"} 1"#,
        r#"roster_http_answers_total{route="GetUser",status="200"} 3"#,
        r#"roster_http_answers_total{route="ListUsers",status="200"} 2"#,
        r#"roster_http_answers_total{route="ListUsers",status="401"} 1"#,
        r#"roster_http_answers_total{route="ListEvents",status="200"} 1"#,
        r#"roster_http_answers_total{route="CreateWebhook",status="400"} 1"#,
        r#"roster_http_answers_total{route="Other",status="404"} 1"#,
        r#"roster_http_answers_total{route="Other",status="405"} 1"#,
        r#"roster_http_answer_seconds_count{route="GetUser"} 3"#,
        "roster_http_connections 1",
        "roster_http_connections_refused_total 0",
    ] {
        assert!(counted.lines().any(|counted| counted == line), "{line} is missing in:\n{counted}");
    }
    for secret in [id.as_str(), &key, "Ann", "Lee", "/api"] {
        assert!(!counted.contains(secret), "{secret} is in:\n{counted}");
    }
}

#[test]
fn metrics_and_the_api_do_not_share_a_listener() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.metrics_address();
    assert_eq!(server.request("GET", "/metrics", &key, "").0, 404);
    assert_eq!(metrics_wire(metrics).send(get("/api/v1/users", &key)).answer().status, 404);
    assert_eq!(metrics_wire(metrics).send(get("/metrics", "")).answer().status, 200);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_connection_turned_away_is_counted() {
    let binary = Binary::new();
    let mut server =
        binary.serve(&["--metrics-listen", "127.0.0.1:0", "--max-connections", "1", "--address-share", "100"]);
    let metrics = server.metrics_address();
    let mut first = server.wire();
    first.send(get("/healthz", "")).answer();
    assert_eq!(server.wire().send(get("/api/v1/me", "")).answer().status, 503);
    let counted = scrape(metrics);
    assert!(counted.contains("\nroster_http_connections_refused_total 1\n"), "{counted}");
    assert!(counted.contains("\nroster_http_connections 1\n"), "{counted}");
}

#[test]
fn connections_that_idle_do_not_keep_the_metrics_from_others() {
    let binary = Binary::new();
    let mut server = binary.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.metrics_address();
    let mut idle: Vec<_> = (0..32).map(|_| metrics_wire(metrics)).collect();
    for wire in &mut idle[..16] {
        assert_eq!(wire.send(get("/metrics", "")).answer().status, 200);
    }
    scrape(metrics);
}

/// Prometheus asks for OpenMetrics; what only reads the older format, or says nothing, gets that.
#[test]
fn metrics_come_in_the_older_format_unless_the_newer_one_is_asked_for() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.metrics_address();
    assert_eq!(server.request("GET", "/api/v1/me", &key, "").0, 200);
    let ask = |accept: &str| {
        let answer =
            metrics_wire(metrics).send(format!("GET /metrics HTTP/1.1\r\nHost: test\r\n{accept}\r\n")).answer();
        assert_eq!(answer.header("vary"), Some("accept"));
        (answer.header("content-type").expect("a type").to_owned(), answer.body)
    };
    for accept in [
        "",
        "Accept: */*\r\n",
        "Accept: text/plain;version=0.0.4\r\n",
        "Accept: text/plain, application/openmetrics-text; version=1.0.0; q=0\r\n",
    ] {
        let (kind, body) = ask(accept);
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8", "{accept}");
        assert!(!body.contains("# EOF") && !body.contains("# UNIT"), "{body}");
        // Each family is named as its samples are, described once and before them.
        let mut family = ("", "");
        for line in body.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(named) => family = named.split_once(' ').expect("a name and a type"),
                None if line.starts_with("# HELP ") => {}
                None => {
                    let sample = line.split(['{', ' ']).next().expect("a name");
                    let suffix = sample.strip_prefix(family.0).unwrap_or_else(|| panic!("{line} is of {family:?}"));
                    let histogram = ["_bucket", "_sum", "_count"].contains(&suffix);
                    assert!(
                        if family.1 == "histogram" { histogram } else { suffix.is_empty() },
                        "{line} is of {family:?}"
                    );
                }
            }
        }
        for line in [
            "# HELP roster_http_answers_total Requests answered.",
            "# TYPE roster_http_answers_total counter",
            r#"roster_http_answers_total{route="GetMe",status="200"} 1"#,
            "# TYPE roster_http_answer_seconds histogram",
            r#"roster_http_answer_seconds_bucket{le="+Inf",route="GetMe"} 1"#,
            "# TYPE roster_http_connections gauge",
        ] {
            assert!(body.lines().any(|said| said == line), "{line} is missing in:\n{body}");
        }
    }
    let prometheus =
        "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1\r\n";
    let (kind, body) = ask(prometheus);
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(body.contains("# TYPE roster_http_answers counter\n") && body.ends_with("# EOF\n"), "{body}");
}

/// What the metrics listener answers.
pub(super) fn scrape(metrics: SocketAddr) -> String {
    let answer = metrics_wire(metrics).send(get("/metrics", "")).answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    answer.body
}

fn metrics_wire(metrics: SocketAddr) -> Wire<TcpStream> {
    let stream = TcpStream::connect(metrics).expect("the metrics listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    Wire::over(stream)
}
