// SPDX-License-Identifier: Apache-2.0

package refserver

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"

	"libopamp/interop/internal/peer"
)

// proxy is an HTTP proxy, with CONNECT and without, that wants a password.
type proxy struct {
	*httptest.Server
	seen *peer.Log[*http.Request]

	credentials string
	forward     httputil.ReverseProxy
	tunnels     sync.WaitGroup
}

func newProxy(t *testing.T, user, password string) *proxy {
	t.Helper()
	p := &proxy{
		seen:        peer.NewLog[*http.Request](),
		credentials: base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
	}
	p.forward.Rewrite = func(*httputil.ProxyRequest) {}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.Close()
		p.tunnels.Wait()
	})
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Proxy-Authorization") != "Basic "+p.credentials {
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	p.seen.Add(r)
	if r.Method != http.MethodConnect {
		p.forward.ServeHTTP(w, r)
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		to.Close()
		return
	}
	p.tunnels.Add(2)
	go p.pump(to, buffered)
	go p.pump(from, to)
}

// pump copies until an end is reached, and makes it that of the other way, too.
func (p *proxy) pump(to net.Conn, from io.Reader) {
	defer p.tunnels.Done()
	io.Copy(to, from)
	to.Close()
}
