// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"strings"

	"github.com/open-telemetry/opamp-go/protobufs"

	"libopamp/interop/internal/peer"
)

const (
	applying = protobufs.ConnectionSettingsStatuses_ConnectionSettingsStatuses_APPLYING
	applied  = protobufs.ConnectionSettingsStatuses_ConnectionSettingsStatuses_APPLIED
	failed   = protobufs.ConnectionSettingsStatuses_ConnectionSettingsStatuses_FAILED
)

type opampSettings = protobufs.OpAMPConnectionSettings

// startForSettings runs an agent that takes connection settings and tries them
// without delay.
func (w *world) startForSettings(args ...string) {
	w.t.Helper()
	w.start(append([]string{"--capabilities",
		"+AcceptsOpAMPConnectionSettings,+ReportsConnectionSettingsStatus",
		"--trial-interval", "0", "--reconnect-delay", "0"}, args...)...)
}

// another starts one more server: of the same kind, but for what is said.
func (w *world) another(strict bool) *refServer {
	w.t.Helper()
	return newServer(w.t, serverOptions{scheme: w.scheme, cert: w.cert,
		strict: strict})
}

func settings(hash string, s *opampSettings) *protobufs.ServerToAgent {
	return &protobufs.ServerToAgent{
		ConnectionSettings: &protobufs.ConnectionSettingsOffers{
			Hash: []byte(hash), Opamp: s,
		}}
}

func (w *world) offerSettings(hash string, s *opampSettings) {
	w.t.Helper()
	w.push(w.t, settings(hash, s))
}

// settled waits until the agent has reported to a server what became of an offer,
// which must be this, and returns the error that came with it.
func (w *world) settled(at *refServer, hash string,
	want protobufs.ConnectionSettingsStatuses) string {
	w.t.Helper()
	m := at.messages.Await(w.t, want.String()+" for "+hash, func(m message) bool {
		s := m.GetConnectionSettingsStatus()
		return string(s.GetLastConnectionSettingsHash()) == hash &&
			s.GetStatus() != applying
	})
	s := m.ConnectionSettingsStatus
	if s.Status != want {
		w.t.Fatalf("%s is %v: %s", hash, s.Status, s.ErrorMessage)
	}
	return s.ErrorMessage
}

// silentAbout fails when a secret is in an event or an error of the agent.
func (w *world) silentAbout(secret string) {
	w.t.Helper()
	said, err := json.Marshal(w.agent.Events.All())
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(string(said), secret) {
		w.t.Errorf("the agent says %q", secret)
	}
}

// toldHealth waits until a server knows a health, from whichever message.
func (w *world) toldHealth(at *refServer, mark string) {
	w.t.Helper()
	at.messages.Ever(w.t, "health "+mark, func(m message) bool {
		return m.GetHealth().GetStatus() == mark
	})
}

// Covers: SET-3, SET-4, CONN-11
func settingsEndpoint(w *world) {
	second := w.another(false)
	w.startForSettings()
	w.offerSettings("move",
		&opampSettings{DestinationEndpoint: second.url() + "/v1/opamp"})
	w.await("the goodbye", has("agent_disconnect"))
	first := second.messages.Await(w.t, "a first message", has("instance_uid"))
	for _, name := range []string{"agent_description", "capabilities",
		"connection_settings_status", "health"} {
		if !has(name)(first) {
			w.t.Errorf("the first message lacks %s: %v", name, fields(first))
		}
	}
	if s := first.ConnectionSettingsStatus.GetStatus(); s != applying {
		w.t.Errorf("there the settings are %v at first", s)
	}
	w.settled(second, "move", applied)
	w.setHealth("moved")
	w.toldHealth(second, "moved")
	w.messages.None(w.t, "a word after the goodbye", has("health"))
}

// Covers: SET-2, SET-3
func settingsHeaders(w *world) {
	const secret = "t0ken-of-the-rotation"
	w.startForSettings("--header", "X-Own: one", "--header", "X-Token: old")
	w.offerSettings("headers", &opampSettings{
		Headers: &protobufs.Headers{Headers: []*protobufs.Header{
			{Key: "X-Token", Value: secret},
		}}})
	r := w.requests.Await(w.t, "a request with the offered header",
		func(r *http.Request) bool { return r.Header.Get("X-Token") == secret })
	if got := r.Header.Values("X-Token"); len(got) != 1 {
		w.t.Errorf("the header is there %d times", len(got))
	}
	if r.Header.Get("X-Own") != "" {
		w.t.Error("the offered headers do not replace all there were")
	}
	w.settled(w.refServer, "headers", applied)
	w.silentAbout(secret)
}

// Covers: SET-2
func settingsHeartbeat(w *world) {
	w.startForSettings("--heartbeat", "600000", "--poll-interval", "600000")
	w.answerNext(settings("beat", &opampSettings{HeartbeatIntervalSeconds: 1}))
	w.setHealth("something to answer")
	w.settled(w.refServer, "beat", applied)
	w.await("a heartbeat", func(m message) bool {
		return strings.Join(fields(m), " ") ==
			"capabilities instance_uid sequence_num"
	})
}

// Covers: SET-2, SET-9
func settingsProxy(w *world) {
	const secret = "pr0xy-passw0rd"
	p := newProxy(w.t, "agent", secret)
	second := w.another(false)
	w.startForSettings()
	address := p.Listener.Addr().String()
	w.offerSettings("no password", &opampSettings{
		DestinationEndpoint: second.url(),
		Proxy:               &protobufs.ProxyConnectionSettings{Url: "http://" + address},
	})
	if why := w.settled(w.refServer, "no password", failed); !strings.Contains(why, "407") {
		w.t.Errorf("the error is %q", why)
	}
	w.offerSettings("proxy", &opampSettings{
		DestinationEndpoint: second.url(),
		Proxy: &protobufs.ProxyConnectionSettings{
			Url: "http://agent:" + secret + "@" + address,
			ConnectHeaders: &protobufs.Headers{Headers: []*protobufs.Header{
				{Key: "X-Site", Value: "north"},
			}},
		}})
	w.settled(second, "proxy", applied)
	r := p.seen.Await(w.t, "a request at the proxy",
		func(*http.Request) bool { return true })
	if r.Header.Get("X-Site") != "north" {
		w.t.Errorf("the proxy got the headers %v", r.Header)
	}
	w.silentAbout(secret)
}

// muteListener takes connections and never says a word.
func (w *world) muteListener() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	return w.scheme + "://" + l.Addr().String()
}

// What is set while the trial runs reaches the server it comes back to.
//
// Covers: SET-3, SET-5, CONN-11
func settingsMute(w *world) {
	w.startForSettings("--trial-timeout", "500")
	w.offerSettings("mute",
		&opampSettings{DestinationEndpoint: w.muteListener()})
	w.await("the goodbye", has("agent_disconnect"))
	w.setHealth("set in between")
	why := w.settled(w.refServer, "mute", failed)
	if !strings.Contains(why, "timeout") {
		w.t.Errorf("the error is %q", why)
	}
	w.toldHealth(w.refServer, "set in between")
}

// Covers: SET-5, STATE-9
func settingsRestart(w *world) {
	state := w.t.TempDir()
	second := w.another(false)
	w.startForSettings("--state-dir", state)
	w.offerSettings("kept",
		&opampSettings{DestinationEndpoint: second.url()})
	second.messages.Await(w.t, "a first message", has("agent_description"))
	w.settled(second, "kept", applied)
	w.agent.Do(w.t, peer.Event{"command": "stop"})
	w.event("stopped")
	w.agent.Exit(w.t) // only then the directory is free
	second.messages.Await(w.t, "its goodbye", has("agent_disconnect"))
	before := w.uid
	w.run("--state-dir", state) // with the URL of the first server
	m := second.messages.Await(w.t, "a message of the new connection",
		has("agent_description"))
	sameBytes(w.t, "the instance uid", m.InstanceUid, before[:])
	w.messages.None(w.t, "the first server hears of it", has("agent_description"))
}

// --- TLS --------------------------------------------------------------------

// Covers: SET-8
func settingsAuthority(w *world) {
	second := newServer(w.t, serverOptions{scheme: w.scheme}) // of its own
	w.startForSettings()
	w.offerSettings("unknown authority",
		&opampSettings{DestinationEndpoint: second.url()})
	why := w.settled(w.refServer, "unknown authority", failed)
	if !strings.Contains(why, "certificate") {
		w.t.Errorf("the error is %q", why)
	}
	w.offerSettings("authority", &opampSettings{
		DestinationEndpoint: second.url(),
		Tls: &protobufs.TLSConnectionSettings{
			CaPemContents: string(second.cert.CA()),
			MinVersion:    "1.3",
		}})
	w.settled(second, "authority", applied)
}

// Covers: SET-6
func settingsWeaker(w *world) {
	w.startForSettings()
	plain := strings.Replace(w.url(), "s://", "://", 1)
	for name, offer := range map[string]*opampSettings{
		"no verification": {Tls: &protobufs.TLSConnectionSettings{InsecureSkipVerify: true}},
		"older version":   {Tls: &protobufs.TLSConnectionSettings{MinVersion: "1.0"}},
		"no TLS":          {DestinationEndpoint: plain},
	} {
		w.offerSettings(name, offer)
		if why := w.settled(w.refServer, name, failed); !strings.Contains(why, "weaker") {
			w.t.Errorf("%s: the error is %q", name, why)
		}
	}
	w.messages.None(w.t, "it left for that", has("agent_disconnect"))
}

// client is the name in the certificate that a request came with.
func client(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return r.TLS.PeerCertificates[0].Subject.CommonName
}

// Covers: SET-2, SET-3, SET-8
func settingsCertificate(w *world) {
	second := w.another(true)
	w.startForSettings("--state-dir", w.t.TempDir())
	w.offerSettings("without",
		&opampSettings{DestinationEndpoint: second.url()})
	w.settled(w.refServer, "without", failed)
	cert, key := w.cert.Client(w.t, "agent 7")
	w.offerSettings("with", &opampSettings{
		DestinationEndpoint: second.url(),
		Certificate:         &protobufs.TLSCertificate{Cert: cert, PrivateKey: key},
	})
	w.settled(second, "with", applied)
	second.requests.Await(w.t, "a request with the certificate",
		func(r *http.Request) bool { return client(r) == "agent 7" })
	w.silentAbout(strings.Split(string(key), "\n")[1])
}

// Covers: SET-7
func settingsRequest(w *world) {
	second := w.another(true)
	w.startForSettings("--state-dir", w.t.TempDir(), "--request-certificate")
	asks := has("connection_settings_request")
	m := w.first
	if !asks(m) {
		m = w.await("a request for a certificate", asks)
	}
	block, _ := pem.Decode(m.ConnectionSettingsRequest.GetOpamp().
		GetCertificateRequest().GetCsr())
	if block == nil {
		w.t.Fatal("the request has no PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.offerSettings("issued", &opampSettings{
		DestinationEndpoint: second.url(),
		Certificate: &protobufs.TLSCertificate{
			Cert: w.cert.ClientFor(w.t, "issued", csr.PublicKey),
		}})
	w.settled(second, "issued", applied)
	r := second.requests.Await(w.t, "a request with the certificate",
		func(r *http.Request) bool { return client(r) == "issued" })
	key := r.TLS.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey)
	if !key.Equal(csr.PublicKey) {
		w.t.Error("the certificate is for another key than was asked for")
	}
}
