/** Each test file loads its modules anew, so that none finds what another has left in them: see vitest.config.ts. */
import { vi } from 'vitest';

vi.resetModules();
