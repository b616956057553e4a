// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

// hasHeader matches requests with this value of a header.
func hasHeader(name, value string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(name) == value }
}

// Covers: CONN-9
func goodbye(w *world) {
	w.start()
	w.agent.Do(w.t, peer.Event{"command": "set_health",
		"health": peer.Event{"healthy": false, "status": "shutting down"}})
	w.agent.Do(w.t, peer.Event{"command": "stop"})
	w.await("the last health", func(m message) bool {
		return m.GetHealth().GetStatus() == "shutting down"
	})
	if e := w.event("stopped"); e["disconnect_sent"] != true {
		w.t.Errorf("the event is %v", e)
	}
	if code := w.agent.Exit(w.t); code != 0 {
		w.t.Errorf("the exit code is %d", code)
	}
	all := w.messages.All()
	for i, m := range all {
		if last := i == len(all)-1; has("agent_disconnect")(m) != last {
			w.t.Errorf("message %d of %d: %v", i+1, len(all), fields(m))
		}
	}
}

// Covers: CONN-9
func endOfInput(w *world) {
	w.start()
	w.agent.EndInput()
	if code := w.agent.Exit(w.t); code != 0 {
		w.t.Errorf("the exit code is %d", code)
	}
	w.await("agent_disconnect", has("agent_disconnect"))
}

// Covers: CONN-1, STATE-1, STATE-3, HTTP-8
func brokenConnection(w *world) {
	w.start()
	last := w.barrier("before")
	w.cut(w.t)
	if w.isWebSocket() {
		w.event("disconnected")
		m := w.await("the full state on a new connection",
			has("agent_description", "health"))
		if m.SequenceNum <= last.SequenceNum {
			w.t.Errorf("sequence_num went from %d to %d", last.SequenceNum,
				m.SequenceNum)
		}
	}
	w.barrier("after")
}

// Covers: HTTP-6, CONN-8
func throttled(w *world) {
	w.refuseNext(http.StatusServiceUnavailable,
		map[string]string{"Retry-After": "1"})
	began := time.Now()
	w.start()
	if took := time.Since(began); took < time.Second {
		w.t.Errorf("it came back after %v, before Retry-After", took)
	}
	e := w.event("connect_failed")
	wait := e.Number("retry_in_ms")
	if e.Number("http_status") != 503 || wait < 1000 || wait > 1101 {
		w.t.Errorf("the event is %v", e)
	}
}

// Covers: HTTP-7, CONN-8
func unauthorised(w *world) {
	token := filepath.Join(w.t.TempDir(), "token")
	if err := os.WriteFile(token, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	// Every run of the command makes the token longer by one letter.
	fresh := `printf a >>` + token + `; echo "Authorization: Bearer $(cat ` + token + `)"`
	w.refuseNext(http.StatusUnauthorized, nil)
	w.start("--header-command", fresh)
	w.requests.Await(w.t, "a request with the first token",
		hasHeader("Authorization", "Bearer a"))
	w.requests.Await(w.t, "a request with a fresh token",
		hasHeader("Authorization", "Bearer aa"))
}

// Covers: CONN-6
func unavailable(w *world) {
	w.start("--poll-interval", "600000") // no poll takes the answer
	w.answerNext(&protobufs.ServerToAgent{
		ErrorResponse: &protobufs.ServerErrorResponse{
			Type:         protobufs.ServerErrorResponseType_ServerErrorResponseType_Unavailable,
			ErrorMessage: "moving house",
			Details: &protobufs.ServerErrorResponse_RetryInfo{
				RetryInfo: &protobufs.RetryInfo{
					RetryAfterNanoseconds: uint64(time.Second.Nanoseconds()),
				}},
		}})
	w.barrier("unheard")
	e := w.event("server_error")
	if e.Text("type") != "Unavailable" || e.Text("message") != "moving house" ||
		e.Number("retry_in_ms") < 1000 {
		w.t.Errorf("the event is %v", e)
	}
	w.await("the same health again", func(m message) bool {
		return m.GetHealth().GetStatus() == "unheard"
	})
}

// Covers: CONN-7
func badRequest(w *world) {
	w.start("--poll-interval", "600000")
	w.answerNext(&protobufs.ServerToAgent{
		ErrorResponse: &protobufs.ServerErrorResponse{
			Type:         protobufs.ServerErrorResponseType_ServerErrorResponseType_BadRequest,
			ErrorMessage: "what is this",
		}})
	refused := w.barrier("refused")
	e := w.event("server_error")
	if e.Text("type") != "BadRequest" || e.Text("message") != "what is this" {
		w.t.Errorf("the event is %v", e)
	}
	w.barrier("accepted")
	for _, m := range w.messages.All() {
		if m != refused && m.SequenceNum == refused.SequenceNum {
			w.t.Errorf("the refused message was sent again: %v", m)
		}
	}
}

// Covers: HTTP-5
func compression(w *world) {
	w.start("--compression", "auto")
	w.agent.Do(w.t, peer.Event{"command": "set_description",
		"identifying": peer.Event{"service.name": strings.Repeat("long ", 2000)}})
	w.await("a long description", func(m message) bool {
		d := m.GetAgentDescription().GetIdentifyingAttributes()
		return len(attribute(d, "service.name")) == 10000
	})
	if w.isWebSocket() {
		offered := w.requests.All()[0].Header.Get("Sec-WebSocket-Extensions")
		if !strings.Contains(offered, "permessage-deflate") {
			w.t.Errorf("the extensions offered are %q", offered)
		}
		return
	}
	w.requests.Await(w.t, "a compressed request",
		hasHeader("Content-Encoding", "gzip"))
}

// Covers: SET-8
func untrusted(w *world) {
	other := peer.NewCertificate(w.t)
	w.agent = peer.Start(w.t, peer.Binary(w.t, "OPAMP_AGENT"), "--json",
		"--control", "--ca", other.CAFile, w.url())
	if e := w.event("connect_failed"); e.Text("error") != "OPAMP_ERR_TLS" {
		w.t.Errorf("the event is %v", e)
	}
	if got := len(w.messages.All()); got != 0 {
		w.t.Errorf("%d messages went to an untrusted server", got)
	}
}
