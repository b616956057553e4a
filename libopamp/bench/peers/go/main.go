// SPDX-License-Identifier: Apache-2.0

// N agents with opamp-go's client: go_client URL N INTERVAL_MS, until it is told
// to end.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
)

type silent struct{}

func (silent) Debugf(context.Context, string, ...any) {}
func (silent) Errorf(context.Context, string, ...any) {}

func start(url string, interval time.Duration) error {
	var agent client.OpAMPClient
	if strings.HasPrefix(url, "ws") {
		agent = client.NewWebSocket(silent{})
	} else {
		over := client.NewHTTP(silent{})
		over.SetPollingInterval(interval)
		agent = over
	}
	if err := agent.SetAgentDescription(&protobufs.AgentDescription{
		IdentifyingAttributes: []*protobufs.KeyValue{{
			Key: "service.name",
			Value: &protobufs.AnyValue{Value: &protobufs.AnyValue_StringValue{
				StringValue: "opamp-bare"}},
		}},
	}); err != nil {
		return err
	}
	wanted := protobufs.AgentCapabilities_AgentCapabilities_ReportsStatus |
		protobufs.AgentCapabilities_AgentCapabilities_ReportsHeartbeat
	if err := agent.SetCapabilities(&wanted); err != nil {
		return err
	}
	return agent.Start(context.Background(), types.StartSettings{
		OpAMPServerURL:    url,
		InstanceUid:       types.InstanceUid(uuid.Must(uuid.NewV7())),
		HeartbeatInterval: &interval,
	})
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	ms, _ := strconv.Atoi(os.Args[3])
	// Agents in one process are kept apart, as those of others are.
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = n
	for range n {
		if err := start(os.Args[1], time.Duration(ms)*time.Millisecond); err != nil {
			log.Fatal(err)
		}
	}
	select {}
}
