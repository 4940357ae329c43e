# ruff: noqa: RUF001
"""Sentences written before their author looked at what the scrubber does with them: what is private is in ``⟦⟧``.

``python -m tests.scrub.held_out [--misses]`` prints how the scrubber does. They are no list to mend by: whoever changes
the scrubber for one of them writes a new one in its place. Of 2026-11-28; what they missed on that day is mended.
"""

import re
import sys

from slo_engine.scrub import Scrubber

SENTENCES = {
    "en": """
        the wifi code in the flat is on the fridge, network HomeNet, password: ⟦tangerine⟧
        I set the temporary password to ⟦Qw8!rtz0⟧ for her
        username=bob&password=⟦hunter22⟧&remember=1
        My PIN is ⟦4821⟧ and the card gets swallowed
        <passphrase>⟦correct-horse-7⟧</passphrase>
        Your one-time password: ⟦771204⟧
        The old password "⟦Pilot99⟧" stopped working
        | user | password |\\n| ada | secret santa |
        My card ⟦5555 5555 5555 4444⟧ was charged twice
        text me at ⟦+1 (303) 555-0175⟧ please
        NHS number is ⟦943 476 5919⟧ if you need it
        logged in from ⟦2001:db8::8a2e:370:7334⟧ at noon
        webhook: https://hooks.slack.com/services/T01ABCDEF/B02GHIJKL/⟦x9Yz8WvU7tSr6QpO5nMl4KjI⟧
        GET https://maps.example.org/geo?q=Berlin&key=⟦AIzaSyD4f5G6h7J8k9L0a1S2d3F4g5H6j7K8l9Q⟧
        bearer token ⟦f3b1c2d4e5a69788f3b1c2d4e5a69788⟧ expired
        Password reset: open the link in the mail
        password: forgotten, please help
        A PIN with 4 digits is enough
        figure 3 of chapter 10.2.1.1 explains the retry
        Please export hero@3x.webp and icon@2x.svg again
    """,
    "de": """
        Das WLAN heißt Gast, Passwort: ⟦himbeere⟧
        Ich habe das Startpasswort ⟦Kx7!pq22⟧ nie geändert
        Benutzername: karin\\nKennwort: ⟦Apfelbaum12⟧
        Meine PIN ist ⟦7731⟧, die Karte wurde eingezogen
        Zugangscode: ⟦B4-99x-17⟧
        Das alte Passwort „⟦Regen77⟧“ geht nicht mehr
        **Passwort:** ⟦Lampe!3310⟧
        Entsperrcode lautet ⟦663410⟧
        Bitte rufen Sie unter ⟦0151 23456789⟧ zurück
        Überweisen Sie auf ⟦DE89 3704 0044 0532 0130 00⟧, danke
        Meine IdNr. lautet ⟦86 095 742 719⟧
        Zugriff von ⟦91.64.12.200⟧ wurde gesperrt
        PW für den Drucker: ⟦toner4711⟧
        Der geheime Schlüssel ist ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.de/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=de
        Passwort: bitte neu vergeben
        Passwort vergessen: Link anklicken
        Abschnitt 3.2.10.4 beschreibt das Verfahren
        Die PIN hat vier Stellen.
        Kennwort falsch: dreimal versucht
    """,
    "fr": """
        Le réseau s'appelle Maison, mot de passe : ⟦framboise⟧
        J'ai gardé le mot de passe initial ⟦Tr4in!bleu⟧ par erreur
        identifiant : karine\\nmdp : ⟦citron88⟧
        Mon code PIN est ⟦4417⟧, la carte est avalée
        code d'accès : ⟦88-AB-21x⟧
        L'ancien mot de passe « ⟦Pluie77⟧ » ne marche plus
        **Mot de passe** : ⟦Lampe!3310⟧
        Mon code secret, c'est ⟦663410⟧
        Rappelez-moi au ⟦06 98 76 54 32⟧ ce soir
        Virement sur ⟦FR14 2004 1010 0505 0001 3M02 606⟧, merci
        Mon numéro de sécu : ⟦2 69 05 49 588 157 80⟧
        Connexion depuis ⟦91.64.12.200⟧ refusée
        mot de passe du routeur : ⟦admin2020⟧
        La clé secrète est ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.fr/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=fr
        Mot de passe : oublié
        mot de passe obligatoire : 12 caractères
        voir chapitre 3.2.10.4 du manuel
        Le code PIN comporte quatre chiffres.
        Mot de passe incorrect : trois essais
    """,
    "es": """
        La red se llama Casa, contraseña: ⟦frambuesa⟧
        Dejé la contraseña inicial ⟦Tr3n!azul⟧ por error
        usuario: carla\\nclave: ⟦limon88⟧
        Mi PIN es ⟦4417⟧ y el cajero se quedó la tarjeta
        código de acceso: ⟦88-AB-21x⟧
        La contraseña antigua «⟦Lluvia77⟧» ya no funciona
        **Contraseña**: ⟦Lampara!3310⟧
        El código secreto es ⟦663410⟧
        Llámame al ⟦655 43 21 09⟧ esta tarde
        Transferencia a ⟦ES91 2100 0418 4502 0005 1332⟧, gracias
        Mi DNI: ⟦12345678Z⟧
        Conexión desde ⟦91.64.12.200⟧ rechazada
        contraseña del router: ⟦admin2020⟧
        La clave secreta es ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.es/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=es
        Contraseña: olvidada
        contraseña obligatoria: 12 caracteres
        véase el capítulo 3.2.10.4 del manual
        El PIN tiene cuatro cifras.
        Contraseña incorrecta: tres intentos
    """,
    "it": """
        La rete si chiama Casa, password: ⟦lampone⟧
        Ho lasciato la password iniziale ⟦Tr3no!blu⟧ per errore
        utente: carla\\npassword: ⟦limone88⟧
        Il mio PIN è ⟦4417⟧ e la carta è bloccata
        codice di accesso: ⟦88-AB-21x⟧
        La vecchia password «⟦Pioggia77⟧» non va più
        **Password**: ⟦Lampada!3310⟧
        Il codice segreto è ⟦663410⟧
        Chiamatemi al ⟦347 654 3210⟧ stasera
        Bonifico su ⟦IT60 X054 2811 1010 0000 0123 456⟧, grazie
        Il mio codice fiscale: ⟦RSSMRA85T10A562S⟧
        Accesso da ⟦91.64.12.200⟧ rifiutato
        password del router: ⟦admin2020⟧
        La chiave segreta è ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.it/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=it
        Password: dimenticata
        password obbligatoria: 12 caratteri
        vedi il capitolo 3.2.10.4 del manuale
        Il PIN ha quattro cifre.
        Password errata: tre tentativi
    """,
    "pt": """
        A rede chama-se Casa, senha: ⟦framboesa⟧
        Deixei a senha inicial ⟦Tr3m!azul⟧ por engano
        usuário: carla\\nsenha: ⟦limao88⟧
        O meu PIN é ⟦4417⟧ e o cartão ficou retido
        código de acesso: ⟦88-AB-21x⟧
        A senha antiga «⟦Chuva77⟧» já não funciona
        **Palavra-passe**: ⟦Lampada!3310⟧
        O código secreto é ⟦663410⟧
        Ligue para ⟦(21) 98765-4321⟧ hoje à noite
        Transferência para ⟦PT50 0002 0123 1234 5678 9015 4⟧, obrigado
        O meu CPF: ⟦529.982.247-25⟧
        Acesso de ⟦91.64.12.200⟧ recusado
        senha do roteador: ⟦admin2020⟧
        A chave secreta é ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.pt/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=pt
        Senha: esquecida
        senha obrigatória: 12 caracteres
        ver o capítulo 3.2.10.4 do manual
        O PIN tem quatro dígitos.
        Senha incorreta: três tentativas
    """,
    "nl": """
        Het netwerk heet Thuis, wachtwoord: ⟦framboos⟧
        Ik heb het beginwachtwoord ⟦Tr31n!blauw⟧ nooit gewijzigd
        gebruiker: karin\\nww: ⟦citroen88⟧
        Mijn pincode is ⟦4417⟧, de pas is ingeslikt
        Toegangscode: ⟦88-AB-21x⟧
        Het oude wachtwoord “⟦Regen77⟧” werkt niet meer
        **Wachtwoord**: ⟦Lamp!3310⟧
        De beveiligingscode is ⟦663410⟧
        Bel me op ⟦06-43218765⟧ vanavond
        Overmaken naar ⟦NL91 ABNA 0417 1643 00⟧, bedankt
        Mijn BSN: ⟦111222333⟧
        Toegang vanaf ⟦91.64.12.200⟧ geweigerd
        wachtwoord van de router: ⟦admin2020⟧
        De geheime sleutel is ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.nl/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=nl
        Wachtwoord: vergeten
        wachtwoord verplicht: 12 tekens
        zie hoofdstuk 3.2.10.4 van de handleiding
        De pincode heeft vier cijfers.
        Wachtwoord onjuist: drie pogingen
    """,
    "pl": """
        Sieć nazywa się Dom, hasło: ⟦malina⟧
        Zostawiłem hasło początkowe ⟦P0ciag!n⟧ przez pomyłkę
        użytkownik: karol\\nhasło: ⟦cytryna88⟧
        Mój PIN to ⟦4417⟧, a bankomat połknął kartę
        kod dostępu: ⟦88-AB-21x⟧
        Stare hasło „⟦Deszcz77⟧” już nie działa
        **Hasło**: ⟦Lampa!3310⟧
        Tajny kod to ⟦663410⟧
        Proszę dzwonić na ⟦501 987 654⟧ wieczorem
        Przelew na ⟦PL61 1090 1014 0000 0712 1981 2874⟧, dziękuję
        Mój PESEL: ⟦44051401359⟧
        Dostęp z ⟦91.64.12.200⟧ odrzucony
        hasło do routera: ⟦admin2020⟧
        Tajny klucz to ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.pl/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=pl
        Hasło: zapomniane
        hasło wymagane: 12 znaków
        patrz rozdział 3.2.10.4 instrukcji
        PIN ma cztery cyfry.
        Hasło nieprawidłowe: trzy próby
    """,
    "ja": """
        ネットワークはHome、パスワード：⟦ichigo⟧
        初期パスワード⟦Tr41n!ao⟧のまま使っていました
        ユーザー名：karin\\nパスワード：⟦lemon88⟧
        PINは⟦4417⟧です。カードが出てきません
        アクセスコード：⟦88-AB-21x⟧
        古いパスワード『⟦Ame77⟧』はもう使えません
        **パスワード**：⟦Lamp!3310⟧
        暗証番号は⟦6634⟧でした
        折り返しは⟦080-9876-5432⟧にお願いします
        振込先は⟦DE89 3704 0044 0532 0130 00⟧です
        マイナンバーは⟦123456789018⟧です
        ⟦91.64.12.200⟧からのアクセスが拒否されました
        ルーターのパスワード：⟦admin2020⟧
        秘密鍵は⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧です
        https://api.example.jp/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=ja
        パスワード：忘れました
        パスワードは必須：12文字
        マニュアルの第3.2.10.4章をご覧ください
        PINは4桁です。
        パスワード再設定：メールのリンクを開く
    """,
    "zh": """
        网络叫Home，密码：⟦caomei⟧
        我一直用初始密码⟦Tr41n!ao⟧没改过
        用户名：karin\\n密码：⟦lemon88⟧
        我的PIN码是⟦4417⟧，卡被吞了
        验证口令：⟦88-AB-21x⟧
        旧密码“⟦Yu77yu⟧”不能用了
        **密码**：⟦Lamp!3310⟧
        支付密码是⟦663410⟧
        请回电⟦139 8765 4321⟧
        请汇到⟦DE89 3704 0044 0532 0130 00⟧
        我的身份证号：⟦11010519491231002X⟧
        来自⟦91.64.12.200⟧的访问被拒绝
        路由器密码：⟦admin2020⟧
        密钥是⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧
        https://api.example.cn/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=zh
        密码：忘记了
        密码必填：12个字符
        见手册第3.2.10.4章
        PIN码是4位数字。
        重置密码：打开邮件里的链接
    """,
    "ko": """
        네트워크 이름은 Home, 비밀번호: ⟦ttalgi⟧
        초기 비밀번호 ⟦Tr41n!ao⟧를 그대로 썼어요
        사용자: karin\\n비밀번호: ⟦lemon88⟧
        제 PIN은 ⟦4417⟧인데 카드가 안 나와요
        접속 코드: ⟦88-AB-21x⟧
        예전 비밀번호 "⟦Bi77bi⟧"는 안 됩니다
        **비밀번호**: ⟦Lamp!3310⟧
        핀번호는 ⟦663410⟧입니다
        ⟦010-9876-5432⟧로 다시 전화 주세요
        ⟦DE89 3704 0044 0532 0130 00⟧로 보내 주세요
        주민등록번호는 ⟦900101-1234568⟧입니다
        ⟦91.64.12.200⟧에서 온 접속이 거부됐어요
        공유기 비밀번호: ⟦admin2020⟧
        비밀 키는 ⟦9f8e7d6c5b4a39281706f5e4d3c2b1a0⟧입니다
        https://api.example.kr/v1?access_token=⟦Zx81kQpL0vTn⟧&lang=ko
        비밀번호: 잊어버림
        비밀번호 필수: 12자
        설명서 3.2.10.4장을 보세요
        PIN은 4자리입니다.
        비밀번호 재설정: 메일의 링크를 여세요
    """,
}


def sentences(code: str) -> list[str]:
    """The sentences of a language, with their marks."""
    return [line.strip().replace("\\n", "\n") for line in SENTENCES[code].splitlines() if line.strip()]


def main() -> None:
    """Prints recall, and how many texts lost more than they should, for each language."""
    scrub = Scrubber().scrub
    for code in SENTENCES:
        total = found = harmed = 0
        told = []
        for marked in sentences(code):
            secrets = re.findall("⟦(.*?)⟧", marked)
            text = re.sub("[⟦⟧]", "", marked)
            output = scrub(text)
            left = [each for each in secrets if each in output]
            total += len(secrets)
            found += len(secrets) - len(left)
            rest = re.sub(r"\[[A-Z]+\]", "", output)
            kept = re.sub("⟦.*?⟧", "", marked)
            if left or rest != kept:
                told.append(f"  {'left' if left else 'harmed'}: {marked!r} -> {output!r}")
            harmed += not left and rest != kept
        sys.stdout.write(
            f"{code}: {found} of {total}, recall {found / total:.3f}; {harmed} of {len(sentences(code))} texts harmed\n"
        )
        if "--misses" in sys.argv:
            sys.stdout.write("".join(f"{each}\n" for each in told))


if __name__ == "__main__":
    main()
