// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

// world is one check: a server, and an agent that has said its first message.
type world struct {
	*refServer
	t     *testing.T
	agent *peer.Process
	uid   uuid.UUID
	first message
}

// start runs an agent against the server and waits for its first message.
func (w *world) start(args ...string) {
	w.t.Helper()
	w.run(args...)
	w.first = w.await("the first message", has("instance_uid"))
}

// run runs an agent that is given the server's URL, with short delays.
func (w *world) run(args ...string) {
	w.t.Helper()
	all := []string{"--json", "--control", "--poll-interval", "1000",
		"--backoff-min", "100", "--service-name", "interop"}
	if w.cert != nil {
		all = append(all, "--ca", w.cert.CAFile)
	}
	all = append(append(all, args...), w.url())
	w.agent = peer.Start(w.t, peer.Binary(w.t, "OPAMP_AGENT"), all...)
	var err error
	if w.uid, err = uuid.Parse(w.event("starting").Text("instance_uid")); err != nil {
		w.t.Fatalf("instance_uid of event starting: %v", err)
	}
}

func (w *world) await(what string, match func(message) bool) message {
	w.t.Helper()
	return w.messages.Await(w.t, what, match)
}

func (w *world) event(name string) peer.Event {
	w.t.Helper()
	return w.agent.Events.Await(w.t, "event "+name, peer.Is(name))
}

// attribute finds a text attribute, "" when there is none.
func attribute(list []*protobufs.KeyValue, key string) string {
	for _, kv := range list {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

func (w *world) setHealth(mark string) {
	w.t.Helper()
	w.agent.Do(w.t, peer.Event{"command": "set_health",
		"health": peer.Event{"healthy": true, "status": mark}})
}

// barrier makes the agent send a message and waits for it: whatever was to be
// sent because of earlier input has been sent then.
func (w *world) barrier(mark string) message {
	w.t.Helper()
	w.setHealth(mark)
	return w.await("health "+mark, func(m message) bool {
		return m.GetHealth().GetStatus() == mark
	})
}

// afterPush makes sure that the agent has processed what was pushed before: a
// further message is pushed, and its effect waited for.
func (w *world) afterPush() {
	w.t.Helper()
	w.push(w.t, &protobufs.ServerToAgent{
		Flags: uint64(protobufs.ServerToAgentFlags_ServerToAgentFlags_ReportFullState),
	})
	w.await("a full state", has("agent_description"))
}

type check struct {
	name string
	run  func(*world)
}

// checks are run over every transport, each with a server and agent of its own.
var checks = []check{
	{"full state first", fullStateFirst},
	{"sequence numbers grow by one", sequenceNumbers},
	{"unchanged fields are left out", unchangedFields},
	{"ReportFullState", reportFullState},
	{"health tree", healthTree},
	{"description", description},
	{"effective configuration", effectiveConfig},
	{"remote configuration applied", configApplied},
	{"remote configuration failed", configFailed},
	{"the same hash again", configRepeated},
	{"custom messages both ways", customMessages},
	{"undeclared custom capability", undeclaredCapability},
	{"identity", identity},
	{"restart command", restartCommand},
	{"available components", availableComponents},
	{"capabilities at run time", capabilities},
	{"batch", batch},
	{"heartbeats", heartbeats},
	{"stop says goodbye", goodbye},
	{"end of input stops", endOfInput},
	{"broken connection", brokenConnection},
	{"throttled", throttled},
	{"unauthorised", unauthorised},
	{"server unavailable", unavailable},
	{"bad request", badRequest},
	{"message for another agent", foreignUID},
	{"compression", compression},
	{"settings: another server", settingsEndpoint},
	{"settings: headers", settingsHeaders},
	{"settings: heartbeat interval", settingsHeartbeat},
	{"settings: proxy", settingsProxy},
	{"settings: mute server", settingsMute},
	{"settings: over a restart", settingsRestart},
}

// tlsChecks make sense where there is a certificate.
var tlsChecks = []check{
	{"untrusted certificate", untrusted},
	{"settings: authority", settingsAuthority},
	{"settings: weaker TLS", settingsWeaker},
	{"settings: client certificate", settingsCertificate},
	{"settings: certificate request", settingsRequest},
}

func TestAgent(t *testing.T) {
	for _, scheme := range []string{"ws", "http", "wss", "https"} {
		list := checks
		if secure(scheme) {
			list = append(list[:len(list):len(list)], tlsChecks...)
		}
		for _, check := range list {
			t.Run(scheme+"/"+check.name, func(t *testing.T) {
				t.Parallel()
				check.run(&world{
					refServer: newServer(t, serverOptions{
						scheme:   scheme,
						compress: check.name == "compression",
					}),
					t: t,
				})
			})
		}
	}
}

// sameBytes fails with both values in hex.
func sameBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is %x, not %x", what, got, want)
	}
}
