# camd behind Varnish. In Debian: /etc/varnish/default.vcl. Varnish sets X-Forwarded-For by
# itself. In camd.yaml:
#
#   trusted_proxies: [127.0.0.1]
#
# Silence from camd ends a stream after pipe_timeout, 60 s unless varnishd is told
# otherwise (-p pipe_timeout=60); camd's heartbeat_interval must be well below.
# docs/proxies.md says what each line is for.

vcl 4.1;

backend camd {
    .host = "127.0.0.1";
    .port = "8001";
}

sub vcl_recv {
    # A stream is handed through byte by byte. As a response it would be cut after
    # send_timeout, 600 s in all, however well it runs.
    if (req.url ~ "^[^?]*/stream(\?|$)" || req.url ~ "[?&]action=stream(&|$)") {
        return (pipe);
    }
    # So is a WebSocket, which the live channel is.
    if (req.http.Upgrade ~ "(?i)^websocket$") {
        return (pipe);
    }
    # Nothing else that camd answers may be kept either.
    return (pass);
}

sub vcl_pipe {
    # Varnish leaves these two out by itself.
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}
