// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command fakegpu is a kubelet device plugin for pretend GPUs. The devices are the lines of a
// text file, "ID" or "ID unhealthy"; the file is read again twice a second, so a test changes
// it to add, lose or break devices. A container gets their IDs in NVIDIA_VISIBLE_DEVICES.
//
//	fakegpu -dir KUBELET_ROOT/device-plugins -devices FILE [-resource nvidia.com/gpu]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

var (
	dir      = flag.String("dir", api.DevicePluginPath, "kubelet's device-plugins folder")
	file     = flag.String("devices", "", "file with one device a line")
	resource = flag.String("resource", "nvidia.com/gpu", "extended resource")
)

const poll = 500 * time.Millisecond

// devices reads the file; the result is not kept, as sending a message changes its internals.
func devices() []*api.Device {
	data, err := os.ReadFile(*file)
	if err != nil {
		log.Printf("devices: %v", err)
	}
	var out []*api.Device
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		d := &api.Device{ID: f[0], Health: api.Healthy}
		if len(f) > 1 && f[1] == "unhealthy" {
			d.Health = api.Unhealthy
		}
		out = append(out, d)
	}
	return out
}

type plugin struct {
	api.UnimplementedDevicePluginServer
}

func (plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (plugin) ListAndWatch(_ *api.Empty, s api.DevicePlugin_ListAndWatchServer) error {
	last := "never sent"
	for {
		now := devices()
		if text := fmt.Sprint(now); text != last {
			if err := s.Send(&api.ListAndWatchResponse{Devices: now}); err != nil {
				return err
			}
			log.Printf("sent %s", text)
			last = text
		}
		select {
		case <-s.Context().Done():
			return nil
		case <-time.After(poll):
		}
	}
}

func (plugin) Allocate(_ context.Context, r *api.AllocateRequest) (*api.AllocateResponse, error) {
	out := &api.AllocateResponse{}
	for _, c := range r.ContainerRequests {
		log.Printf("allocate %v", c.DevicesIds)
		out.ContainerResponses = append(out.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(c.DevicesIds, ",")}})
	}
	return out, nil
}

// serve runs until kubelet removes the socket, which it does whenever it starts.
func serve() error {
	name := "fakegpu-" + strings.ReplaceAll(*resource, "/", "-") + ".sock"
	sock := filepath.Join(*dir, name)
	os.Remove(sock)
	l, err := net.Listen("unix", sock)
	if err != nil {
		return err
	}
	srv := grpc.NewServer()
	api.RegisterDevicePluginServer(srv, plugin{})
	go srv.Serve(l)
	defer srv.Stop()
	conn, err := grpc.NewClient("unix://"+filepath.Join(*dir, "kubelet.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := api.NewRegistrationClient(conn).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: name, ResourceName: *resource}); err != nil {
		return err
	}
	log.Printf("registered %s", *resource)
	for {
		if _, err := os.Stat(sock); err != nil {
			return err
		}
		time.Sleep(poll)
	}
}

func main() {
	flag.Parse()
	for {
		log.Print(serve())
		time.Sleep(poll)
	}
}
