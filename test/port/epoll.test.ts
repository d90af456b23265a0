import { epollPort } from '../../src/port/epoll.js';
import { portContract } from './contract.js';
import { tcpRig } from './rig.js';

portContract('epoll', () => tcpRig(epollPort));
