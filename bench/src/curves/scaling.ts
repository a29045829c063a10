export async function runScaling(_folder: string): Promise<void> {}
