/** Documents asked for elsewhere, and documents shared between practitioners. */
import type { RecordType } from '../vault-worker/api.ts';
import { call, callOpenly, sendForm } from './api.ts';

export type RequestState = 'open' | 'answered' | 'closed' | 'cancelled' | 'expired';
export interface DocumentRequest {
  id: string; patient_id: string; user_id: string; user_name: string; types: RecordType[]; to: string | null; way: 'email' | 'link'; status: RequestState;
  sync_id: string | null; documents: number; expires_at: string; created_at: string; updated_at: string; answered_at: string | null;
  /** Told once, when the request is made. */
  upload_url?: string;
}
export interface NewRequest { types: RecordType[]; since: string | null; message: string; to: string | null }

interface Page<T> { items: T[]; next: string | null }

export const listDocumentRequests = async () => (await call<Page<DocumentRequest>>('GET', '/api/v1/document-requests?limit=500')).items;
export const createDocumentRequest = (patient: string, { types, since, message, to }: NewRequest) =>
  call<DocumentRequest>('POST', `/api/v1/patients/${patient}/request-documents`, { types, message, ...(since ? { since } : {}), ...(to ? { to } : {}) });
export const endDocumentRequest = (id: string, decision: 'close' | 'cancel') => call<DocumentRequest>('PUT', `/api/v1/document-requests/${id}`, { decision });

/** Those that still take documents, or wait for whoever asked to say that it is enough. */
export const isLiving = (one: DocumentRequest) => one.status === 'open' || one.status === 'answered';

// --- between practitioners -----------------------------------------------------------

export interface SharedDocument {
  document_id: string; record_types: RecordType[]; direction: 'received' | 'given'; practitioner_id: string; practitioner_name: string;
  status: 'active' | 'scheduled' | 'suspended' | 'expired' | 'revoked' | 'asked' | 'denied';
  grant_id: string | null; request_id: string | null; shared_at: string; expiry_date: string | null;
}
export const listSharedDocuments = async (patient: string) => (await call<Page<SharedDocument>>('GET', `/api/v1/patients/${patient}/shared-documents?limit=500`)).items;
export interface Shared { status: 'shared' | 'asked'; grant_id: string | null; request_id: string | null }
export const shareDocument = (document: string, to: { practitioner_id: string; expiry_date: string; message: string | null }) =>
  call<Shared>('POST', `/api/v1/documents/${document}/share`, { practitioner_id: to.practitioner_id, expiry_date: to.expiry_date, ...(to.message ? { message: to.message } : {}) });

// --- the link's page -----------------------------------------------------------------

export interface Asked {
  asker_name: string; asker_organization: string | null; patient_name: string; patient_date_of_birth: string | null; types: RecordType[]; since: string | null; message: string;
  documents: number; max_documents: number; max_document_bytes: number; max_bytes: number; expires_at: string;
}
export const openDocumentRequest = (token: string) => callOpenly<Asked>('GET', `/api/v1/document-requests/by-token/${encodeURIComponent(token)}`);

export function sendDocument(token: string, file: File, sender: string, onPart: (part: number) => void) {
  const form = new FormData();
  if (sender) form.append('sender', sender);
  form.append('file', file, file.name);
  return sendForm<{ created: number; documents: number }>(`/api/v1/document-requests/by-token/${encodeURIComponent(token)}/documents`, form, onPart);
}
