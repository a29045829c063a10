export async function runDelay(_folder: string): Promise<void> {}
