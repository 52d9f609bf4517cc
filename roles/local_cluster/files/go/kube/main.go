// Copyright: (c) 2026, The llmops.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command kube is the Kubernetes control plane, node agents, kubectl, kubeadm
// and etcd in one program. The component is chosen by the name it is called
// by (kube-apiserver -> kube, a link) or by its first argument.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJob time zones

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmutil "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	name := filepath.Base(os.Args[0])
	if !run(name) {
		if len(os.Args) > 1 {
			os.Args = os.Args[1:]
			if run(filepath.Base(os.Args[0])) {
				return
			}
		}
		fmt.Fprintln(os.Stderr, "usage: kube {kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kube-proxy|kubectl|kubeadm|etcd} [args]")
		os.Exit(2)
	}
}

// run starts the component called name; false when there is none.
func run(name string) bool {
	daemon := func(c *cobra.Command) bool { os.Exit(cli.Run(c)); return true }
	switch name {
	case "kube-apiserver":
		return daemon(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		return daemon(controllermanager.NewControllerManagerCommand())
	case "kube-scheduler":
		return daemon(scheduler.NewSchedulerCommand())
	case "kubelet":
		return daemon(kubelet.NewKubeletCommand(context.Background()))
	case "kube-proxy":
		return daemon(proxy.NewProxyCommand())
	case "kubectl":
		logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "kubeadm":
		kubeadmutil.HandleError(kubeadm.Run())
	case "etcd":
		etcdmain.Main(os.Args)
	default:
		return false
	}
	return true
}
