// SPDX-License-Identifier: Apache-2.0

// Package refserver drives a real opamp-agent with opamp-go's server.
package refserver

import (
	"context"
	"crypto/tls"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/open-telemetry/opamp-go/protobufs"
	"github.com/open-telemetry/opamp-go/server"
	"github.com/open-telemetry/opamp-go/server/types"
	"google.golang.org/protobuf/reflect/protoreflect"

	"libopamp/interop/internal/peer"
)

const everything = protobufs.ServerCapabilities_ServerCapabilities_AcceptsStatus |
	protobufs.ServerCapabilities_ServerCapabilities_OffersRemoteConfig |
	protobufs.ServerCapabilities_ServerCapabilities_AcceptsEffectiveConfig |
	protobufs.ServerCapabilities_ServerCapabilities_OffersPackages |
	protobufs.ServerCapabilities_ServerCapabilities_AcceptsPackagesStatus |
	protobufs.ServerCapabilities_ServerCapabilities_OffersConnectionSettings |
	protobufs.ServerCapabilities_ServerCapabilities_AcceptsConnectionSettingsRequest

type message = *protobufs.AgentToServer

// refServer is opamp-go's server, listening on a free port, with a log of what
// it received and a way to send.
type refServer struct {
	messages *peer.Log[message]
	requests *peer.Log[*http.Request]
	closed   *peer.Log[types.Connection]

	scheme string
	cert   *peer.Certificate
	server server.OpAMPServer

	mu      sync.Mutex
	conn    types.Connection
	queue   []*protobufs.ServerToAgent
	refusal *types.ConnectionResponse
}

type silent struct{}

func (silent) Debugf(context.Context, string, ...any) {}
func (silent) Errorf(context.Context, string, ...any) {}

func secure(scheme string) bool {
	return scheme == "wss" || scheme == "https"
}

// serverOptions is what is not the same for all servers.
type serverOptions struct {
	scheme   string            // one of ws, wss, http, https
	compress bool              // as the transport has it
	cert     *peer.Certificate // nil: a new one
	strict   bool              // only clients with a certificate of its authority
}

func newServer(t *testing.T, o serverOptions) *refServer {
	t.Helper()
	s := &refServer{
		messages: peer.NewLog[message](),
		requests: peer.NewLog[*http.Request](),
		closed:   peer.NewLog[types.Connection](),
		scheme:   o.scheme,
		cert:     o.cert,
		server:   server.New(silent{}),
	}
	settings := server.StartSettings{ListenEndpoint: "127.0.0.1:0"}
	settings.EnableCompression = o.compress
	settings.CustomCapabilities = []string{"org.example.echo"}
	settings.Callbacks.OnConnecting = s.onConnecting
	if secure(o.scheme) {
		if s.cert == nil {
			s.cert = peer.NewCertificate(t)
		}
		settings.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{s.cert.Pair},
		}
		if o.strict {
			settings.TLSConfig.ClientAuth = tls.RequireAndVerifyClientCert
			settings.TLSConfig.ClientCAs = s.cert.Roots
		}
	}
	if err := s.server.Start(settings); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), peer.Patience)
		defer cancel()
		s.server.Stop(ctx)
	})
	return s
}

func (s *refServer) url() string {
	return s.scheme + "://" + s.server.Addr().String()
}

func (s *refServer) isWebSocket() bool {
	return strings.HasPrefix(s.scheme, "ws")
}

func (s *refServer) onConnecting(r *http.Request) types.ConnectionResponse {
	s.requests.Add(r.Clone(context.Background()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		refusal := *s.refusal
		s.refusal = nil
		return refusal
	}
	return types.ConnectionResponse{
		Accept: true,
		ConnectionCallbacks: types.ConnectionCallbacks{
			OnMessage: s.onMessage,
			OnConnectionClose: func(conn types.Connection) {
				s.closed.Add(conn)
			},
		},
	}
}

// refuseNext answers the next request or upgrade with an HTTP status.
func (s *refServer) refuseNext(status int, headers map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = &types.ConnectionResponse{
		HTTPStatusCode:     status,
		HTTPResponseHeader: headers,
	}
}

func (s *refServer) onMessage(_ context.Context, conn types.Connection,
	m message) *protobufs.ServerToAgent {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	reply := &protobufs.ServerToAgent{}
	if len(s.queue) > 0 {
		reply, s.queue = s.queue[0], s.queue[1:]
	}
	reply.Capabilities = uint64(everything)
	s.messages.Add(m)
	return reply
}

// push sends a message: at once on a WebSocket, as the answer to the next
// request over HTTP.
func (s *refServer) push(t *testing.T, m *protobufs.ServerToAgent) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isWebSocket() {
		s.queue = append(s.queue, m)
		return
	}
	if err := s.conn.Send(context.Background(), m); err != nil {
		t.Fatalf("opamp-go's server cannot send: %v", err)
	}
}

// answerNext makes `m` the answer to the next message, on both transports.
func (s *refServer) answerNext(m *protobufs.ServerToAgent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
}

// cut ends the TCP connection without a close handshake.
func (s *refServer) cut(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.Connection().Close(); err != nil {
		t.Fatal(err)
	}
}

// fields lists the fields that are present in a message.
func fields(m message) []string {
	var names []string
	m.ProtoReflect().Range(
		func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			names = append(names, string(f.Name()))
			return true
		})
	sort.Strings(names)
	return names
}

// has matches messages in which all of these fields are present.
func has(want ...string) func(message) bool {
	return func(m message) bool {
		present := strings.Join(fields(m), " ") + " "
		for _, name := range want {
			if !strings.Contains(" "+present, " "+name+" ") {
				return false
			}
		}
		return true
	}
}
