import { DeviceHeap } from '../../src/device/heap.js';
import { Link } from '../../src/device/link.js';
import { preciseClock } from '../../src/device/precise_clock.js';
import { deviceProfile } from '../../src/device/profile.js';
import { epollPort } from '../../src/port/epoll.js';
import { netPort } from '../../src/port/net.js';
import type { Port } from '../../src/port/port.js';
import { portContract } from '../port/contract.js';
import { tcpRig } from '../port/rig.js';
import { EPOLL_HERE } from '../support/epoll.js';

/** A link that is fast, but has all that a link has. */
function linked(port: Port): Port {
  const profile = deviceProfile('esp32', {
    link: {
      bandwidthUp: 1e12,
      bandwidthDown: 1e12,
      latencyMs: 0.05,
      jitterMs: 0.05,
      segmentSize: 60_000,
      transmitWindow: 4 * 1024 * 1024,
      receiveWindow: 4 * 1024 * 1024,
      stallChance: 0.01,
      stallMs: 1,
    },
    heap: { size: 2 ** 40 },
  });
  const heap = new DeviceHeap(profile.heap, () => 0);
  const fault = (thrown: unknown): void => {
    throw thrown;
  };
  return new Link(
    preciseClock,
    1,
    profile,
    () => heap,
    fault,
    () => {},
  ).wrap(port);
}

portContract('net behind a link', () => tcpRig(linked(netPort)));
if (EPOLL_HERE) portContract('epoll behind a link', () => tcpRig(linked(epollPort)));
