/** Which address shows which screen. Screens load when they are first shown. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { Waiting } from '../ui/pieces.tsx';
import { Inside } from './inside.tsx';
import { NotFound, Broken } from './lost.tsx';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Broken });

const welcome = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('../features/accounts/welcome.tsx'), 'Welcome') });
const nextOf = (search: Record<string, unknown>): { next?: string } => (typeof search.next === 'string' && /^\/[a-z]/.test(search.next) ? { next: search.next } : {});
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { next?: string; why?: 'elsewhere' | 'closed' } => ({
    ...nextOf(search),
    ...(search.why === 'elsewhere' || search.why === 'closed' ? { why: search.why } : {}),
  }),
  component: lazyRouteComponent(() => import('../features/accounts/sign-in.tsx'), 'SignIn'),
});
const signUp = createRoute({ getParentRoute: () => root, path: '/sign-up', validateSearch: nextOf, component: lazyRouteComponent(() => import('../features/accounts/sign-up.tsx'), 'SignUp') });
const signUpProvider = createRoute({ getParentRoute: () => root, path: '/sign-up/provider', component: lazyRouteComponent(() => import('../features/accounts/sign-up.tsx'), 'SignUpProvider') });
const recover = createRoute({ getParentRoute: () => root, path: '/recover', component: lazyRouteComponent(() => import('../features/accounts/recover.tsx'), 'Recover') });
const verifyEmail = createRoute({ getParentRoute: () => root, path: '/verify-email', component: lazyRouteComponent(() => import('../features/accounts/verify-email.tsx'), 'VerifyEmail') });

const claim = createRoute({ getParentRoute: () => root, path: '/claim', component: lazyRouteComponent(() => import('../features/claims/claim.tsx'), 'Claim') });

const inside = createRoute({ getParentRoute: () => root, id: 'inside', component: Inside });
const at = <P extends string>(path: P, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({ getParentRoute: () => inside, path, component: lazyRouteComponent(load as never, name as never) });

const home = at('/home', () => import('../features/home/home.tsx'), 'Home');
const record = at('/record', () => import('../features/records/records.tsx'), 'Records');
const recordType = at('/record/type/$type', () => import('../features/records/by-type.tsx'), 'ByType');
const recordItem = at('/record/item/$id', () => import('../features/records/record.tsx'), 'RecordDetail');
const add = at('/record/add', () => import('../features/records/add.tsx'), 'AddRecords');
const sharing = at('/sharing', () => import('../features/shares/shares.tsx'), 'Shares');
const activity = at('/activity', () => import('../features/audit/audit.tsx'), 'Activity');
const disclosures = at('/activity/disclosures', () => import('../features/audit/disclosures.tsx'), 'Disclosures');
const numbers = at('/activity/numbers', () => import('../features/analytics/numbers.tsx'), 'Numbers');
const settings = at('/settings', () => import('../features/accounts/settings.tsx'), 'Settings');
const security = at('/settings/security', () => import('../features/accounts/security.tsx'), 'Security');
const ownData = at('/settings/data', () => import('../features/accounts/own-data.tsx'), 'OwnData');
const paper = at('/settings/print', () => import('../features/accounts/paper.tsx'), 'Paper');
const incoming = at('/sharing/requests', () => import('../features/requests/incoming.tsx'), 'Incoming');
const patients = at('/patients', () => import('../features/patients/patients.tsx'), 'Patients');
const asked = at('/patients/requests', () => import('../features/requests/asked.tsx'), 'Asked');
const patient = at('/patients/$id', () => import('../features/patients/patient.tsx'), 'PatientRecord');
// A practice.
const caseload = at('/caseload', () => import('../features/caseload/caseload.tsx'), 'Caseload');
const caseloadImport = at('/caseload/import', () => import('../features/caseload/import.tsx'), 'ImportCaseload');
const chart = at('/caseload/$id', () => import('../features/caseload/documents.tsx'), 'ChartDocuments');
const chartSync = at('/caseload/$id/sync', () => import('../features/caseload/sync.tsx'), 'ChartSync');
const chartShared = at('/caseload/$id/shared', () => import('../features/caseload/shared.tsx'), 'ChartShared');
const chartAdd = at('/caseload/$id/add', () => import('../features/caseload/document.tsx'), 'AddDocument');
const chartDocument = at('/caseload/$id/record/$record', () => import('../features/caseload/document.tsx'), 'ChartDocument');
const connections = at('/caseload/connections', () => import('../features/connections/connections.tsx'), 'Connections');
const connect = createRoute({
  getParentRoute: () => inside,
  path: '/caseload/connections/new',
  validateSearch: (search: Record<string, unknown>): { direction: 'source' | 'destination'; patient?: string } => ({
    direction: search.direction === 'destination' ? 'destination' : 'source',
    ...(typeof search.patient === 'string' && /^[0-9a-f-]{36}$/.test(search.patient) ? { patient: search.patient } : {}),
  }),
  component: lazyRouteComponent(() => import('../features/connections/connect.tsx'), 'Connect'),
});
const connection = at('/caseload/connections/$id', () => import('../features/connections/connection.tsx'), 'ConnectionDetail');
const documentRequests = createRoute({
  getParentRoute: () => inside,
  path: '/caseload/requests',
  validateSearch: (search: Record<string, unknown>): { patient?: string } => (typeof search.patient === 'string' && /^[0-9a-f-]{36}$/.test(search.patient) ? { patient: search.patient } : {}),
  component: lazyRouteComponent(() => import('../features/document-requests/requests.tsx'), 'DocumentRequests'),
});
const reply = createRoute({ getParentRoute: () => root, path: '/requests/$token', component: lazyRouteComponent(() => import('../features/document-requests/reply.tsx'), 'Reply') });
const deliveries = at('/caseload/to-do', () => import('../features/deliveries/deliveries.tsx'), 'Deliveries');
const practice = [caseload, caseloadImport, chart, chartSync, chartShared, documentRequests, chartAdd, chartDocument, connections, connect, connection, deliveries] as const;
const admin = at('/admin', () => import('../features/admin/admin.tsx'), 'Admin');
const adminAccounts = at('/admin/accounts', () => import('../features/admin/accounts.tsx'), 'Accounts');
const adminNumbers = at('/admin/numbers', () => import('../features/analytics/totals.tsx'), 'Totals');
const adminHealth = at('/admin/health', () => import('../features/admin/health.tsx'), 'Health');
const adminLog = at('/admin/log', () => import('../features/admin/log.tsx'), 'Log');
const claimTake = at('/claim/take', () => import('../features/claims/take.tsx'), 'TakeOver');
const claimAnswers = at('/caseload/claims', () => import('../features/claims/answers.tsx'), 'Answers');
const claimSheet = at('/caseload/$id/sheet', () => import('../features/claims/sheet.tsx'), 'Sheet');
const connected = at('/sharing/connected', () => import('../features/connected/connected.tsx'), 'Connected');
const signedIn = at('/connections/signed-in', () => import('../features/connected/signed-in.tsx'), 'SignedIn');
const adminBare = createRoute({ getParentRoute: () => inside, path: '/records', beforeLoad: () => { throw redirect({ to: '/record' }); } });

export const router = createRouter({
  routeTree: root.addChildren([
    welcome, signIn, signUp, signUpProvider, recover, verifyEmail, claim, reply,
    inside.addChildren([
      home, record, recordType, recordItem, add, sharing, incoming, activity, disclosures, numbers, settings, security, ownData, paper, patients, asked, patient,
      admin, adminAccounts, adminNumbers, adminHealth, adminLog, adminBare,
      ...practice,
      claimTake, claimAnswers, claimSheet, connected, signedIn,
    ]),
  ]),
  defaultPreload: 'intent',
  defaultPendingComponent: Waiting,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
