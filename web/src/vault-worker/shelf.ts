/**
 * What is remembered on this device between visits: heads of chains and the
 * newest statement of the log, by which a server that goes back is noticed.
 * Never a key, never a token, never content.
 */
function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open('chartkey', 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore('met');
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error('no storage'));
  });
}

export async function kept(name: string): Promise<unknown> {
  try {
    const db = await open();
    return await new Promise((resolve) => {
      const asked = db.transaction('met').objectStore('met').get(name);
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => resolve(null);
    });
  } catch {
    return null;
  }
}

/** A browser that keeps nothing works too; it only notices less. */
export async function keep(name: string, value: string): Promise<void> {
  try {
    const db = await open();
    db.transaction('met', 'readwrite').objectStore('met').put(value, name);
  } catch {
    // As above.
  }
}
